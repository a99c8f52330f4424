"""What each node has, and how much of it is promised."""

from django.db import models
from django.db.models import F, Q

from marketplace.inventory.health import Health
from marketplace.inventory.models.accelerator import Accelerator
from marketplace.inventory.models.cluster import Cluster
from marketplace.kernel import ids


class Node(models.Model):
    """A Kubernetes node as last observed, with counters of processor and memory.

    `allocated_*` is written by the admitter when it promises and by the release when pods are gone; everything else by the
    watcher. `foreign_*` are requests of pods that are not this installation's.

    Attributes:
        is_schedulable: Neither cordoned in Kubernetes nor tainted by anyone but the vendor.
        cordoned_at: Since when the operator places nothing new there; null = not.
        conditions: Types of the node's conditions that are True, Ready apart.
        health, health_causes: As last judged by `inventory.health`, with every cause.
    """

    TYPE_PREFIX = "nod"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="nodes")
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=64)
    is_ready = models.BooleanField(default=False)
    is_schedulable = models.BooleanField(default=False)
    not_ready_since = models.DateTimeField(null=True)
    cordoned_at = models.DateTimeField(null=True)
    cordon_reason = models.TextField(blank=True)
    conditions = models.JSONField(default=list)
    health = models.CharField(
        max_length=8, choices=[(level.value, level.name) for level in Health], default=Health.HEALTHY.value
    )
    health_causes = models.JSONField(default=list)
    health_changed_at = models.DateTimeField(null=True)
    labels = models.JSONField(default=dict)
    taint_keys = models.JSONField(default=list)
    driver_version = models.CharField(max_length=60, blank=True)
    firmware_version = models.CharField(max_length=60, blank=True)
    runtime_version = models.CharField(max_length=60, blank=True)
    allocatable_cpu_millis = models.BigIntegerField(default=0)
    foreign_cpu_millis = models.BigIntegerField(default=0)
    allocated_cpu_millis = models.BigIntegerField(default=0)
    allocatable_memory_mib = models.BigIntegerField(default=0)
    foreign_memory_mib = models.BigIntegerField(default=0)
    allocated_memory_mib = models.BigIntegerField(default=0)
    observed_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        """A node's name is unique in its cluster; counters never go below zero."""

        constraints = [
            models.UniqueConstraint(fields=["cluster", "name"], name="inventory_node_once"),
            models.CheckConstraint(
                condition=Q(allocated_cpu_millis__gte=0) & Q(allocated_memory_mib__gte=0),
                name="inventory_node_not_negative",
            ),
        ]

    def __str__(self) -> str:
        """The name."""
        return self.name


class NodeStock(models.Model):
    """Devices of one accelerator on one node: what is usable of them less what others use is sold, by a conditional update.

    A shrink below `allocated_devices` is saved and shows as overcommitted; it is never refused, since it already happened.

    Attributes:
        shortage_changed_at: Since when devices are short (`allocatable_devices` below capacity), or no longer.
        is_quarantined: All of it is out of sale: its node or one of its versions is in quarantine.
        quarantined_devices: So many of its devices are; those that the plugin reports as unusable are among them.
        holder_id: Where tenants cannot share a node: the tenant whose instances are on it.
    """

    TYPE_PREFIX = "stk"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="stock")
    accelerator = models.ForeignKey(Accelerator, on_delete=models.PROTECT, related_name="stock")
    capacity_devices = models.PositiveIntegerField(default=0)
    allocatable_devices = models.PositiveIntegerField(default=0)
    foreign_devices = models.PositiveIntegerField(default=0)
    allocated_devices = models.IntegerField(default=0)
    shortage_changed_at = models.DateTimeField(null=True)
    is_quarantined = models.BooleanField(default=False)
    quarantined_devices = models.PositiveIntegerField(default=0)
    holder_id = models.UUIDField(null=True)
    observed_at = models.DateTimeField()

    class Meta:
        """One row per node and accelerator."""

        constraints = [
            models.UniqueConstraint(fields=["node", "accelerator"], name="inventory_nodestock_once"),
            models.CheckConstraint(condition=Q(allocated_devices__gte=0), name="inventory_nodestock_not_negative"),
        ]
        indexes = [
            models.Index(
                fields=["accelerator"],
                name="inventory_stock_overcommitted",
                condition=Q(allocated_devices__gt=F("allocatable_devices") - F("foreign_devices")),
            )
        ]

    def __str__(self) -> str:
        """Free of capacity."""
        return f"{self.free_devices}/{self.capacity_devices}"

    @property
    def usable_devices(self) -> int:
        """Devices that work and are not in quarantine; a quarantined device that the plugin reports as well counts once."""
        if self.is_quarantined:
            return 0
        return max(0, min(self.allocatable_devices, self.capacity_devices - self.quarantined_devices))

    @property
    def free_devices(self) -> int:
        """Devices that can be promised now, were the node in order; never negative."""
        return max(0, self.usable_devices - self.foreign_devices - self.allocated_devices)

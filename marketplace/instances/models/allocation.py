"""Devices promised on a node."""

from django.db import models
from django.db.models import Q

from marketplace.instances.models.instance import Instance, InstanceTerm
from marketplace.inventory.models import MeteredBy, NodeStock
from marketplace.kernel import ids


class Allocation(models.Model):
    """Devices of one node promised to one attempt of an instance; live until its pods are gone.

    Attributes:
        is_node_dedicated: No other tenant may have devices on the node as long as this one is live.
        metered_by: Whose word its usage is billed by, as the site had it when the devices were promised.
        rank: Position in a gang; 0 for a single-node instance.
        released_at: When the devices went back to the node's stock; set once.
    """

    TYPE_PREFIX = "alc"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="allocations")
    attempt = models.PositiveIntegerField()
    rank = models.PositiveSmallIntegerField(default=0)
    stock = models.ForeignKey(NodeStock, on_delete=models.PROTECT, related_name="allocations")
    term = models.ForeignKey(InstanceTerm, on_delete=models.PROTECT, related_name="allocations")
    devices = models.PositiveSmallIntegerField()
    cpu_millis = models.PositiveIntegerField()
    memory_mib = models.PositiveIntegerField()
    is_node_dedicated = models.BooleanField(default=False)
    metered_by = models.CharField(max_length=8, choices=MeteredBy, default=MeteredBy.ONDOL)
    allocated_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)

    class Meta:
        """One live allocation per instance and rank."""

        constraints = [
            models.UniqueConstraint(
                fields=["instance", "rank"], condition=Q(released_at__isnull=True), name="instances_allocation_once"
            ),
            models.UniqueConstraint(fields=["instance", "attempt", "rank"], name="instances_allocation_attempt"),
        ]
        indexes = [
            models.Index(fields=["released_at"], name="instances_allocation_released"),
            models.Index(
                fields=["stock"],
                name="instances_allocation_dedicated",
                condition=Q(released_at__isnull=True, is_node_dedicated=True),
            ),
        ]

    def __str__(self) -> str:
        """Devices."""
        return f"{self.devices} devices"

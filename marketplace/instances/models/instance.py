"""What is rented, and the terms it was rented on."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.instances.states import Goal, State
from marketplace.inventory.models import Offer, Seller
from marketplace.kernel import ids
from marketplace.tenants.models import Project, Tenant


class InstanceKind(models.TextChoices):
    """How it behaves when its main process ends."""

    INTERACTIVE = "interactive", _("Interactive")
    JOB = "job", _("Job")
    SERVICE = "service", _("Service")


class Instance(models.Model):
    """Devices rented by a project, with what runs on them.

    `state` is assigned by `instances.operations._move` alone; `goal` by the operations that people ask for.

    Attributes:
        accelerators: Accelerator codes that would do, in no order; empty = any of the offers.
        devices: On each node.
        nodes: More than 1 is a gang: all nodes of one cluster at once, or none.
        offer_ids: Offers the customer restricted the request to; empty = every permitted one.
        versions: Ranges that the node's driver, firmware and runtime must lie in, by component; empty = any.
        image: OCI reference; `command` and `environment` are passed as plain strings and never become structure.
        max_price_micros: Highest acceptable price per device-hour, VAT apart; null = any quoted.
        max_wait_s: Longest acceptable time in the queue; 0 ends it at the first pass; null = no limit.
        priority: −1 low, 0 normal, 1 high; compared only with the tenant's own requests.
        is_interruptible: Its devices may be taken back, with notice, for a request that may not be interrupted.
        interrupt_at: When that happens; null = nobody asked for them.
        reserved_since: Since when devices are kept for it while it waits.
        queue_position: Place among queued instances as the admitter last looked at them, 1 = next.
        start_p50_at, start_p90_at: When it will probably, and almost certainly, start; null = nobody can tell.
        attempt: Placements so far; part of the pod's name.
        started_at: When the current or last run began to be metered.
        stop_accepted_at: When the current stop or end was accepted; the meter ends no later.
        conditions: `{token: {status, reason, message, at}}` for PolicySatisfied, QuotaReserved, CapacityAllocated, PodsReady.
        revision: Grows with each write; the ETag.
    """

    TYPE_PREFIX = "ins"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="instances")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="instances")
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=12, choices=InstanceKind, default=InstanceKind.INTERACTIVE)
    accelerators = ArrayField(models.CharField(max_length=60), default=list)
    devices = models.PositiveSmallIntegerField()
    nodes = models.PositiveSmallIntegerField(default=1)
    offer_ids = ArrayField(models.UUIDField(), default=list)
    versions = models.JSONField(default=dict)
    image = models.CharField(max_length=300)
    command = ArrayField(models.CharField(max_length=4096), default=list)
    environment = models.JSONField(default=dict)
    ssh_public_keys = ArrayField(models.TextField(), default=list)
    max_price_micros = models.BigIntegerField(null=True)
    max_duration_s = models.PositiveIntegerField(null=True)
    max_wait_s = models.PositiveIntegerField(null=True)
    priority = models.SmallIntegerField(default=0)
    is_interruptible = models.BooleanField(default=False)
    interrupt_at = models.DateTimeField(null=True)
    reserved_since = models.DateTimeField(null=True)
    queue_position = models.PositiveIntegerField(null=True)
    start_p50_at = models.DateTimeField(null=True)
    start_p90_at = models.DateTimeField(null=True)
    goal = models.CharField(max_length=4, choices=[(goal.value, goal.name) for goal in Goal], default=Goal.RUN.value)
    state = models.CharField(
        max_length=12, choices=[(state.value, state.name) for state in State], default=State.QUEUED.value
    )
    state_reason = models.CharField(max_length=40, default="rented")
    state_changed_at = models.DateTimeField()
    queued_at = models.DateTimeField()
    attempt = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    stop_accepted_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    conditions = models.JSONField(default=dict)
    is_deletion_protected = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_by_name = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_default=Now())
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        """Listed newest first; the admitter reads the queue, the sweeps what is not at rest."""

        constraints = [
            models.UniqueConstraint(fields=["tenant", "id"], name="instances_instance_tenant_id"),
            models.CheckConstraint(condition=Q(devices__gte=1), name="instances_instance_devices"),
            models.CheckConstraint(condition=Q(nodes__gte=1), name="instances_instance_nodes"),
            models.CheckConstraint(condition=Q(priority__range=(-1, 1)), name="instances_instance_priority"),
        ]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="instances_by_tenant"),
            models.Index(fields=["queued_at"], name="instances_queue", condition=Q(state="queued")),
            models.Index(
                fields=["state"],
                name="instances_in_motion",
                condition=Q(state__in=["provisioning", "running", "stopping"]),
            ),
        ]

    def __str__(self) -> str:
        """The name."""
        return self.name

    @property
    def total_devices(self) -> int:
        """On all nodes together."""
        return self.devices * self.nodes


class InstanceTerm(models.Model):
    """The price snapshot taken at rent for one permitted offer; the allocation decides which one applies. Append-only.

    Attributes:
        price_version_id: billing.PriceVersion; a plain id, since prices live above instances.
        selling_mode: own, resale or brokered, as it was at rent.
        price: The whole agreed price (billing.rating.snapshot): plan, shape, unit, held price, minimums; empty = per device-hour.
        price_micros_per_device_hour: The same for comparing; exact where the price is per device-hour.
    """

    TYPE_PREFIX = "trm"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="terms")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="+")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    selling_mode = models.CharField(max_length=12)
    price_version_id = models.UUIDField()
    price_micros_per_device_hour = models.BigIntegerField()
    price = models.JSONField(default=dict)
    currency = models.CharField(max_length=3, default="KRW")
    agreed_at = models.DateTimeField()

    class Meta:
        """One snapshot per offer and rent."""

        constraints = [models.UniqueConstraint(fields=["instance", "offer"], name="instances_term_once")]

    def __str__(self) -> str:
        """Price."""
        return str(self.price_micros_per_device_hour)

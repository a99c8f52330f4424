"""When something was used, to the second."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.instances.models import Instance, InstanceTerm
from marketplace.kernel import ids
from marketplace.kernel.ranges import tstzrange
from marketplace.tenants.models import Project


class UsageKind(models.TextChoices):
    """Whether time is paid for (product.md, An honest meter)."""

    METERED = "metered", _("Metered")
    EXCUSED = "excused", _("Excused")
    UNKNOWN = "unknown", _("Unknown")


class UsageInterval(models.Model):
    """A quantity of one subject in use during [started_at, ended_at); opened, closed once, never changed otherwise.

    A reclassification is a new row; the old one then names it in `superseded_by`. A row that names itself is void: it turned out
    to hold no second. The database excludes overlap per subject, rank and meter among rows that are not superseded.

    Attributes:
        subject_kind: Type prefix of the subject: `ins` an instance, `vol` a volume, and whatever else a meter counts.
        subject_id: What the exclusion is about; the instance's id where there is one.
        term: The price as agreed when renting; null for a subject without an agreed price of its own.
        rank: Which node of a gang.
        meter: See `billing.metering.meters`; the unit of `quantity` follows from it.
        reason: Why it is excused or unknown (`billing.metering.rules.Cause`).
        quantity: The level that held over the interval (devices, GiB, addresses), or what a counted meter counted in it.
        opened_by: The row that opened it: a transition, a usage event, a reservation. With rank, meter and start it is the
            idempotency key, so that metering the same sources again writes nothing.
        closed_by: The row that closed it; null while open and for parts cut by the calendar or by evidence.
        ended_at: Exclusive; null while it runs.
        clock_skew_ms: How far the node's clock was off, when that was more than five seconds.
    """

    TYPE_PREFIX = "use"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    subject_kind = models.CharField(max_length=3, default="ins")
    subject_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, null=True, related_name="usage_intervals")
    term = models.ForeignKey(InstanceTerm, on_delete=models.PROTECT, null=True, related_name="+")
    rank = models.PositiveSmallIntegerField(default=0)
    meter = models.CharField(max_length=16, default="device")
    kind = models.CharField(max_length=8, choices=UsageKind, default=UsageKind.METERED)
    reason = models.CharField(max_length=24, blank=True)
    quantity = models.BigIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    opened_by = models.UUIDField()
    closed_by = models.UUIDField(null=True)
    clock_skew_ms = models.IntegerField(null=True)
    superseded_by = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """No overlap, no inverted interval, one row per source and start."""

        constraints = [
            models.UniqueConstraint(
                fields=["opened_by", "rank", "meter", "started_at"],
                condition=Q(superseded_by__isnull=True),
                name="billing_usage_once",
            ),
            models.UniqueConstraint(fields=["tenant_id", "id"], name="billing_usage_tenant_id"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gt=F("started_at")), name="billing_usage_not_inverted"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="billing_usage_positive"),
            ExclusionConstraint(
                name="billing_usage_no_overlap",
                expressions=[
                    ("subject_id", RangeOperators.EQUAL),
                    ("rank", RangeOperators.EQUAL),
                    ("meter", RangeOperators.EQUAL),
                    (tstzrange("started_at", "ended_at"), RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_by__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["instance", "started_at"]),
            models.Index(fields=["tenant_id", "started_at"], name="billing_usage_by_tenant"),
            models.Index(fields=["tenant_id"], name="billing_usage_open", condition=Q(ended_at__isnull=True)),
            models.Index(
                fields=["instance"],
                name="billing_usage_undecided",
                condition=Q(superseded_by__isnull=True) & (Q(kind="unknown") | Q(reason="unresolved")),
            ),
        ]

    @property
    def agreed_price_micros(self) -> int:
        """Per unit and hour as agreed when renting; 0 for a subject without an agreed price of its own."""
        return self.term.price_micros_per_device_hour if self.term else 0

    def __str__(self) -> str:
        """Begin and end."""
        return f"{self.started_at} – {self.ended_at}"

"""When devices were used, to the second."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.instances.models import Instance, InstanceTerm
from marketplace.kernel import ids
from marketplace.kernel.ranges import tstzrange


class UsageKind(models.TextChoices):
    """Whether time is paid for (product.md, An honest meter)."""

    METERED = "metered", _("Metered")
    EXCUSED = "excused", _("Excused: our or the provider's fault")
    UNKNOWN = "unknown", _("Unknown until there is evidence")


class UsageInterval(models.Model):
    """Devices of one instance in use during [started_at, ended_at); opened, closed once, never changed otherwise.

    A reclassification is a new row; the old one then names it in `superseded_by`. A row that names itself is void: the run ended
    within the second in which it began. The database excludes overlap per instance,
    rank and meter among rows that are not superseded.

    Attributes:
        opened_by: The transition into `running` that opened it; with the sequence its idempotency key.
        closed_by: The transition out of `running`; null while open, and for a part cut at a month's end.
        sequence: 0 for the first part of a run; each cut at a month's end adds one.
        ended_at: Exclusive; null while it runs.
    """

    TYPE_PREFIX = "use"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="usage_intervals")
    term = models.ForeignKey(InstanceTerm, on_delete=models.PROTECT, related_name="+")
    rank = models.PositiveSmallIntegerField(default=0)
    meter = models.CharField(max_length=16, default="device")
    kind = models.CharField(max_length=8, choices=UsageKind, default=UsageKind.METERED)
    devices = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    opened_by = models.UUIDField()
    closed_by = models.UUIDField(null=True)
    sequence = models.PositiveSmallIntegerField(default=0)
    superseded_by = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """No overlap, no inverted interval, one row per run and part."""

        constraints = [
            models.UniqueConstraint(
                fields=["opened_by", "rank", "meter", "sequence"],
                condition=Q(superseded_by__isnull=True),
                name="billing_usage_once",
            ),
            models.UniqueConstraint(fields=["tenant_id", "id"], name="billing_usage_tenant_id"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gt=F("started_at")), name="billing_usage_not_inverted"
            ),
            ExclusionConstraint(
                name="billing_usage_no_overlap",
                expressions=[
                    ("instance", RangeOperators.EQUAL),
                    ("rank", RangeOperators.EQUAL),
                    ("meter", RangeOperators.EQUAL),
                    (tstzrange("started_at", "ended_at"), RangeOperators.OVERLAPS),
                ],
                condition=Q(superseded_by__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["instance", "started_at"]),
            models.Index(fields=["tenant_id"], name="billing_usage_open", condition=Q(ended_at__isnull=True)),
        ]

    def __str__(self) -> str:
        """Begin and end."""
        return f"{self.started_at} – {self.ended_at}"

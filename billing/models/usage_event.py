"""What a site that meters itself has told of usage: evidence for the meter, as it came."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from billing.models.usage_interval import UsageKind
from marketplace.instances.models import Allocation, Instance
from marketplace.inventory.models import Provider
from marketplace.kernel import ids
from marketplace.kernel.ranges import tstzrange


class UsageEventType(models.TextChoices):
    """What an event says."""

    REPORTED = "reported", _("Usage told")
    WITHDRAWN = "withdrawn", _("Usage taken back")


class UsageEvent(models.Model):
    """One accepted CloudEvent of a provider's meter. Append-only; what was told wrong is withdrawn by another event.

    The database excludes overlap per instance, rank and meter among what stands.

    Attributes:
        source, event_id: CloudEvents' `source` and `id`: together once per provider.
        body_hash: SHA-256 of the event in canonical JSON: the same one again is a duplicate, another one a mistake.
        allocation: The promise of devices that the time belongs to; its term has the price.
        meter, kind, reason, quantity, started_at, ended_at: As of a usage interval; a withdrawal repeats what it takes back.
        withdraws: For a withdrawal: the event that it takes back.
        withdrawn_by: The withdrawal; set once.
        applied_at: When the meter took it into account; set once.
        provider_key_id: Which key it came with.
    """

    TYPE_PREFIX = "uev"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+", db_index=False)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(
        Instance, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    allocation = models.ForeignKey(Allocation, on_delete=models.PROTECT, related_name="+")
    rank = models.PositiveSmallIntegerField()
    source = models.CharField(max_length=200)
    event_id = models.CharField(max_length=200)
    body_hash = models.BinaryField(max_length=32)
    type = models.CharField(max_length=10, choices=UsageEventType)
    meter = models.CharField(max_length=16)
    kind = models.CharField(max_length=8, choices=UsageKind)
    reason = models.CharField(max_length=24, blank=True)
    quantity = models.BigIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    withdraws = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    withdrawn_by = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    provider_key_id = models.UUIDField()
    received_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True)

    class Meta:
        """Once per source and id; no overlap, no inverted interval."""

        constraints = [
            models.UniqueConstraint(fields=["provider", "source", "event_id"], name="billing_usageevent_once"),
            models.CheckConstraint(
                condition=Q(ended_at__gt=F("started_at"), quantity__gt=0), name="billing_usageevent_positive"
            ),
            models.CheckConstraint(
                condition=Q(type="withdrawn", withdraws__isnull=False) | Q(type="reported", withdraws__isnull=True),
                name="billing_usageevent_withdraws",
            ),
            ExclusionConstraint(
                name="billing_usageevent_no_overlap",
                expressions=[
                    ("instance", RangeOperators.EQUAL),
                    ("rank", RangeOperators.EQUAL),
                    ("meter", RangeOperators.EQUAL),
                    (tstzrange("started_at", "ended_at"), RangeOperators.OVERLAPS),
                ],
                condition=Q(type="reported", withdrawn_by__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["instance"], name="billing_usageevent_due", condition=Q(applied_at__isnull=True)),
        ]

    def __str__(self) -> str:
        """Source and id."""
        return f"{self.source} {self.event_id}"

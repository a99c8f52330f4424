"""What a sector, or the whole platform, may have at once."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.kernel.ranges import tstzrange
from marketplace.quotas.models.quota import Enforcement, Meter, SelectorKind
from marketplace.tenants.models import Sector


class ShareScope(models.TextChoices):
    """Above tenants the tree has two levels."""

    PLATFORM = "platform", _("Platform")
    SECTOR = "sector", _("Sector")


class Share(models.Model):
    """The most that a sector or the platform may have allocated; belongs to no tenant.

    It has no counter: the one admitter adds up the live allocations when it looks, so that no row is written by every rent and
    every release of the market.

    Attributes:
        sector: Empty for the platform.
        effective_from, effective_to: Both null for the permanent share; else the period in which this one holds instead.
        overcommit_percent: Limits of the tenants below may add up to so much of it; more is blocked.
    """

    TYPE_PREFIX = "qsh"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    scope_kind = models.CharField(max_length=8, choices=ShareScope)
    sector = models.CharField(max_length=16, choices=Sector, blank=True)
    selector_kind = models.CharField(max_length=12, choices=SelectorKind)
    selector = models.CharField(max_length=60, blank=True)
    meter = models.CharField(max_length=12, choices=Meter, default=Meter.DEVICES)
    enforcement = models.CharField(max_length=4, choices=Enforcement, default=Enforcement.HARD)
    limit = models.PositiveIntegerField()
    overcommit_percent = models.PositiveSmallIntegerField(default=100)
    effective_from = models.DateTimeField(null=True, blank=True)
    effective_to = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        """One permanent share per scope, selector and meter; its periods neither run backwards nor overlap."""

        constraints = [
            models.UniqueConstraint(
                fields=["scope_kind", "sector", "selector_kind", "selector", "meter"],
                condition=Q(effective_from__isnull=True, revoked_at__isnull=True),
                name="quotas_share_once",
            ),
            models.CheckConstraint(
                condition=Q(effective_from__isnull=True, effective_to__isnull=True)
                | Q(effective_to__gt=F("effective_from")),
                name="quotas_share_not_inverted",
            ),
            models.CheckConstraint(
                condition=Q(scope_kind="platform", sector="") | (Q(scope_kind="sector") & ~Q(sector="")),
                name="quotas_share_sector",
            ),
            models.CheckConstraint(condition=Q(overcommit_percent__range=(100, 1000)), name="quotas_share_overcommit"),
            ExclusionConstraint(
                name="quotas_share_no_overlap",
                expressions=[
                    ("scope_kind", RangeOperators.EQUAL),
                    ("sector", RangeOperators.EQUAL),
                    ("selector_kind", RangeOperators.EQUAL),
                    ("selector", RangeOperators.EQUAL),
                    ("meter", RangeOperators.EQUAL),
                    (tstzrange("effective_from", "effective_to"), RangeOperators.OVERLAPS),
                ],
                condition=Q(revoked_at__isnull=True, effective_from__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """Whose and how much."""
        return f"{self.sector or self.scope_kind} {self.selector or 'any'} {self.limit}"

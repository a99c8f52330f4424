"""Limits of a tenant, project or member, the periods in which others hold, and what holds them."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.kernel.ranges import tstzrange
from marketplace.tenants.models import Tenant


class ScopeKind(models.TextChoices):
    """Whose limit it is; sector and platform shares are counted by the admitter, not here (`Share`)."""

    TENANT = "tenant", _("Organization")
    PROJECT = "project", _("Project")
    MEMBER = "member", _("Member")


class SelectorKind(models.TextChoices):
    """What is counted: one accelerator, a kind of them, or any."""

    ACCELERATOR = "accelerator", _("Accelerator")
    KIND = "kind", _("Kind")
    ANY = "any", _("Any")


class Meter(models.TextChoices):
    """In what it is counted; storage has no accelerator, so it goes with `any` alone."""

    DEVICES = "devices", _("Devices")
    INSTANCES = "instances", _("Instances")
    STORAGE_GIB = "storage_gib", _("Storage (GiB)")


class Enforcement(models.TextChoices):
    """What happens at the limit."""

    HARD = "hard", _("Refuse")
    WARN = "warn", _("Warn")


class Quota(models.Model):
    """A limit and how much of it is taken.

    `used` moves by deltas under the row's lock, together with a QuotaHold; it is never recomputed from instances. A trigger
    refuses every commit that raises it above a hard `limit`, whatever code does it.

    Attributes:
        scope_id: Id of the tenant, project or user, by `scope_kind`.
        within_project_id: For a member: the project in which the limit counts; null = in all of them.
        selector: Accelerator code or kind, by `selector_kind`; empty for any.
        base_limit: The permanent limit.
        limit: What is in force: the limit of the period that holds, else `base_limit`.
        next_change_at: When a period next begins or ends and `limit` has to follow; null = never.
    """

    TYPE_PREFIX = "quo"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="quotas")
    scope_kind = models.CharField(max_length=8, choices=ScopeKind)
    scope_id = models.UUIDField()
    within_project_id = models.UUIDField(null=True, blank=True)
    selector_kind = models.CharField(max_length=12, choices=SelectorKind)
    selector = models.CharField(max_length=60, blank=True)
    meter = models.CharField(max_length=12, choices=Meter, default=Meter.DEVICES)
    enforcement = models.CharField(max_length=4, choices=Enforcement, default=Enforcement.HARD)
    base_limit = models.PositiveIntegerField(db_default=0)
    limit = models.PositiveIntegerField()
    used = models.IntegerField(default=0)
    next_change_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        """One row per scope, selector and meter; use is never negative."""

        constraints = [
            models.UniqueConstraint(
                fields=[
                    "tenant",
                    "scope_kind",
                    "scope_id",
                    "within_project_id",
                    "selector_kind",
                    "selector",
                    "meter",
                ],
                nulls_distinct=False,
                name="quotas_quota_line_once",
            ),
            models.UniqueConstraint(fields=["tenant", "id"], name="quotas_quota_tenant_id"),
            models.CheckConstraint(condition=Q(used__gte=0), name="quotas_quota_not_negative"),
        ]
        indexes = [
            models.Index(fields=["next_change_at"], name="quotas_quota_due", condition=Q(next_change_at__isnull=False)),
        ]

    def __str__(self) -> str:
        """Use of limit."""
        return f"{self.scope_kind} {self.selector or 'any'} {self.used}/{self.limit}"


class QuotaPeriod(models.Model):
    """Another limit for a while; at most one at any instant. Never changed: revoked, and written anew.

    Attributes:
        effective_to: First instant at which it no longer holds.
    """

    TYPE_PREFIX = "qpr"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    quota = models.ForeignKey(Quota, on_delete=models.PROTECT, related_name="periods")
    limit = models.PositiveIntegerField()
    effective_from = models.DateTimeField()
    effective_to = models.DateTimeField()
    reason = models.TextField(blank=True)
    created_by_name = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        """Periods of one quota neither run backwards nor overlap."""

        constraints = [
            models.CheckConstraint(
                condition=Q(effective_to__gt=F("effective_from")), name="quotas_period_not_inverted"
            ),
            ExclusionConstraint(
                name="quotas_period_no_overlap",
                expressions=[
                    ("quota", RangeOperators.EQUAL),
                    (tstzrange("effective_from", "effective_to"), RangeOperators.OVERLAPS),
                ],
                condition=Q(revoked_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["effective_to"], name="quotas_period_ends", condition=Q(revoked_at__isnull=True)),
        ]

    def __str__(self) -> str:
        """Limit and dates."""
        return f"{self.limit} from {self.effective_from:%Y-%m-%d} to {self.effective_to:%Y-%m-%d}"


class QuotaHold(models.Model):
    """What one instance or volume holds of one quota; given back once, when its pods are gone."""

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    quota = models.ForeignKey(Quota, on_delete=models.PROTECT, related_name="holds")
    holder_id = models.UUIDField()
    amount = models.PositiveIntegerField()
    taken_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)

    class Meta:
        """One live hold per quota and holder."""

        constraints = [
            models.UniqueConstraint(
                fields=["quota", "holder_id"], condition=Q(released_at__isnull=True), name="quotas_hold_once"
            ),
        ]
        indexes = [models.Index(fields=["holder_id"])]

    def __str__(self) -> str:
        """Amount."""
        return str(self.amount)

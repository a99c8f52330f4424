"""Hard limits of a tenant or project, and what holds them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.tenants.models import Tenant


class ScopeKind(models.TextChoices):
    """Whose limit it is; sector and platform shares are counted by the admitter, not here."""

    TENANT = "tenant", _("Organization")
    PROJECT = "project", _("Project")
    MEMBER = "member", _("Member")


class SelectorKind(models.TextChoices):
    """What is counted: one accelerator, a kind of them, or any."""

    ACCELERATOR = "accelerator", _("Accelerator")
    KIND = "kind", _("Kind")
    ANY = "any", _("Any")


class Meter(models.TextChoices):
    """In what it is counted."""

    DEVICES = "devices", _("Devices")
    INSTANCES = "instances", _("Instances")


class Enforcement(models.TextChoices):
    """What happens at the limit."""

    HARD = "hard", _("Refuse")
    WARN = "warn", _("Warn")


class Quota(models.Model):
    """A limit and how much of it is taken.

    `used` moves by deltas under the row's lock, together with a QuotaHold; it is never recomputed from instances.

    Attributes:
        scope_id: Id of the tenant, project or user, by `scope_kind`.
        selector: Accelerator code or kind, by `selector_kind`; empty for any.
    """

    TYPE_PREFIX = "quo"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="quotas")
    scope_kind = models.CharField(max_length=8, choices=ScopeKind)
    scope_id = models.UUIDField()
    selector_kind = models.CharField(max_length=12, choices=SelectorKind)
    selector = models.CharField(max_length=60, blank=True)
    meter = models.CharField(max_length=12, choices=Meter, default=Meter.DEVICES)
    enforcement = models.CharField(max_length=4, choices=Enforcement, default=Enforcement.HARD)
    limit = models.PositiveIntegerField()
    used = models.IntegerField(default=0)
    effective_from = models.DateTimeField(null=True, blank=True)
    effective_to = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        """One row per scope, selector and meter; use is never negative."""

        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "scope_kind", "scope_id", "selector_kind", "selector", "meter"],
                name="quotas_quota_once",
            ),
            models.UniqueConstraint(fields=["tenant", "id"], name="quotas_quota_tenant_id"),
            models.CheckConstraint(condition=Q(used__gte=0), name="quotas_quota_not_negative"),
        ]

    def __str__(self) -> str:
        """Use of limit."""
        return f"{self.scope_kind} {self.selector or 'any'} {self.used}/{self.limit}"


class QuotaHold(models.Model):
    """What one instance holds of one quota; given back once, when its pods are gone."""

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

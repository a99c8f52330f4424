"""An organization that rents."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids


class Sector(models.TextChoices):
    """The part of the economy a tenant belongs to; shares and defaults follow it."""

    PUBLIC = "public", _("Public")
    FINANCE = "finance", _("Finance")
    MANUFACTURING = "manufacturing", _("Manufacturing")
    RESEARCH = "research", _("Research")
    GENERAL = "general", _("General")


class TenantStatus(models.TextChoices):
    """Standing of a tenant; only an active one may start anything."""

    ACTIVE = "active", _("Active")
    SUSPENDED = "suspended", _("Suspended")
    CLOSED = "closed", _("Closed")


class Tenant(models.Model):
    """An organization (기관): the boundary of visibility, quota and billing."""

    TYPE_PREFIX = "ten"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    name = models.CharField(max_length=120)
    sector = models.CharField(max_length=16, choices=Sector)
    status = models.CharField(max_length=16, choices=TenantStatus, default=TenantStatus.ACTIVE)
    status_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        """The name."""
        return self.name

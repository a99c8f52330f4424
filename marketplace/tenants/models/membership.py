"""A user's role in a tenant."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.tenants.models.project import Project
from marketplace.tenants.models.tenant import Tenant


class Role(models.TextChoices):
    """Named permission sets; what each may do stands in `tenants/permissions.py`."""

    OWNER = "owner", _("Owner")
    ADMINISTRATOR = "administrator", _("Administrator")
    DEVELOPER = "developer", _("Developer")
    FINANCE = "finance", _("Finance officer")
    AUDITOR = "auditor", _("Auditor")
    VIEWER = "viewer", _("Viewer")


class Membership(models.Model):
    """One role of one user in one tenant, for all its projects or for one.

    Row-level security shows it to its tenant and to its user, so that a sign-in can offer the user's tenants.
    """

    TYPE_PREFIX = "mem"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, null=True, blank=True, related_name="memberships")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """A user has one role per tenant and project."""

        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "user", "project"], nulls_distinct=False, name="tenants_membership_once"
            ),
        ]

    def __str__(self) -> str:
        """Role."""
        return self.role

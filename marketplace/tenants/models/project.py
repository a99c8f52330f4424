"""A piece of a tenant's work with one data class, payer and cost centre."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from marketplace.kernel import ids
from marketplace.tenants.models.billing_profile import BillingProfile
from marketplace.tenants.models.tenant import Tenant


class Project(models.Model):
    """Where instances live; its data classes decide where they may run.

    Attributes:
        slug: Lower-case name, unique within the tenant.
        data_classes: Codes of sovereignty.DataClass; all their rules apply together, so a mix takes the strictest.
        cost_centre: The customer's own accounting code, printed on invoice lines.
    """

    TYPE_PREFIX = "prj"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="projects")
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=50)
    data_classes = ArrayField(models.CharField(max_length=40), default=list)
    cost_centre = models.CharField(max_length=40, blank=True)
    billing_profile = models.ForeignKey(BillingProfile, on_delete=models.PROTECT, related_name="projects")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Slugs are unique within the tenant."""

        constraints = [
            models.UniqueConstraint(fields=["tenant", "slug"], name="tenants_project_slug_once"),
            models.UniqueConstraint(fields=["tenant", "id"], name="tenants_project_tenant_id"),
        ]

    def __str__(self) -> str:
        """The name."""
        return self.name

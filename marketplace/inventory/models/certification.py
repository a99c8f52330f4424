"""Dated assurance of a provider or a site."""

from django.db import models
from django.db.models import F, Q

from marketplace.inventory.models.provider import Provider
from marketplace.inventory.models.site import Site
from marketplace.kernel import ids
from marketplace.sovereignty.models import AssuranceScheme


class Certification(models.Model):
    """A certificate held by exactly one provider (all its sites) or site; relied on by placement decisions.

    Attributes:
        valid_to: First instant at which it no longer holds.
        revoked_at: From here on it no longer holds, whatever `valid_to` says.
    """

    TYPE_PREFIX = "crt"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    scheme = models.ForeignKey(AssuranceScheme, on_delete=models.PROTECT, related_name="certifications")
    level = models.CharField(max_length=20, blank=True)
    issuer = models.CharField(max_length=120)
    document_number = models.CharField(max_length=80, blank=True)
    provider = models.ForeignKey(
        Provider, on_delete=models.PROTECT, null=True, blank=True, related_name="certifications"
    )
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, blank=True, related_name="certifications")
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One holder; validity is not inverted."""

        constraints = [
            models.CheckConstraint(
                condition=Q(provider__isnull=True, site__isnull=False) | Q(provider__isnull=False, site__isnull=True),
                name="inventory_certification_one_holder",
            ),
            models.CheckConstraint(
                condition=Q(valid_to__gt=F("valid_from")), name="inventory_certification_not_inverted"
            ),
        ]

    def __str__(self) -> str:
        """Document number."""
        return self.document_number

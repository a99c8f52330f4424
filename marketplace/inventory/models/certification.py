"""Dated assurance of a provider or a site."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from marketplace.inventory.models.assurance_document import AssuranceDocument
from marketplace.inventory.models.provider import Provider
from marketplace.inventory.models.site import Site
from marketplace.kernel import ids
from marketplace.kernel.ranges import tstzrange
from marketplace.sovereignty.models import AssuranceScheme


class Certification(models.Model):
    """A certificate held by exactly one provider (all its sites) or site; relied on by placement decisions, revoked, never edited.

    Attributes:
        document: The paper itself, with its hash.
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
    document = models.ForeignKey(
        AssuranceDocument, on_delete=models.PROTECT, null=True, blank=True, related_name="certifications"
    )
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation_reason = models.TextField(null=True, blank=True)

    class Meta:
        """One holder; validity is not inverted; a holder has one certificate of a scheme and level at a time."""

        constraints = [
            models.CheckConstraint(
                condition=Q(provider__isnull=True, site__isnull=False) | Q(provider__isnull=False, site__isnull=True),
                name="inventory_certification_one_holder",
            ),
            models.CheckConstraint(
                condition=Q(valid_to__gt=F("valid_from")), name="inventory_certification_not_inverted"
            ),
            ExclusionConstraint(
                name="inventory_certification_no_overlap",
                expressions=[
                    ("scheme", RangeOperators.EQUAL),
                    ("level", RangeOperators.EQUAL),
                    (Coalesce("site_id", "provider_id"), RangeOperators.EQUAL),
                    (tstzrange("valid_from", "valid_to"), RangeOperators.OVERLAPS),
                ],
                condition=Q(revoked_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        """Document number."""
        return self.document_number

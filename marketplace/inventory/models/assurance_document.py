"""The paper behind a certificate or an assessment."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from marketplace.kernel import ids
from marketplace.tenants.models import Tenant

DOCUMENT_BYTES_MAX = 10 * 1024 * 1024
"""A scanned certificate has one to three megabytes; ten leave room, and fifty of them still fit a backup."""


class AssuranceDocument(models.Model):
    """A file as it was handed in, with its hash; append-only.

    Attributes:
        tenant: Whose assessment it belongs to; null for certificates of providers and sites, which everybody may open.
        hash_suite: Named hash (kernel.crypto) that made `digest`.
    """

    TYPE_PREFIX = "adc"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, related_name="assurance_documents")
    file_name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=60)
    size_bytes = models.PositiveIntegerField()
    hash_suite = models.CharField(max_length=32)
    digest = models.CharField(max_length=128)
    content = models.BinaryField()
    uploaded_by = models.CharField(max_length=254)
    uploaded_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Neither empty nor beyond the limit; `(tenant, id)` is the target of a composite foreign key."""

        constraints = [
            models.CheckConstraint(
                condition=Q(size_bytes__gt=0, size_bytes__lte=DOCUMENT_BYTES_MAX),
                name="inventory_assurancedocument_size",
            ),
            models.UniqueConstraint(fields=["tenant", "id"], name="inventory_assurancedocument_tenant_id"),
        ]

    def __str__(self) -> str:
        """The file's name."""
        return self.file_name

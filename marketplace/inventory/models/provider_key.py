"""A provider's key for its sites' meters."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from marketplace.inventory.models.provider import Provider
from marketplace.kernel import ids


class ProviderKey(models.Model):
    """`ondolprv_<prefix>_<secret><checksum>`: reports usage of the provider's own sites, and can do nothing else.

    Attributes:
        hash_suite: Named hash (kernel.crypto) that made `secret_hash`; the text itself is nowhere.
    """

    TYPE_PREFIX = "pvk"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, unique=True)
    hash_suite = models.CharField(max_length=32)
    secret_hash = models.BinaryField(max_length=64)
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """The prefix, never the secret."""
        return self.prefix

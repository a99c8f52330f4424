"""Keys that sign what leaves Ondol as evidence."""

from django.db import models
from django.db.models.functions import Now

from marketplace.kernel import ids


class SigningKey(models.Model):
    """One key pair; the newest that is not retired signs, all of them verify. Append-only but for its retirement.

    Attributes:
        name: Beginning of the public key's SHA-256; printed beside each signature.
        suite: How it signs (kernel.crypto).
        sealed_suite, sealed_key_id, sealed_private_key: The private key, sealed under the row's id.
    """

    TYPE_PREFIX = "sgk"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    name = models.CharField(max_length=32, unique=True)
    suite = models.CharField(max_length=32)
    public_key_pem = models.TextField()
    sealed_suite = models.CharField(max_length=32)
    sealed_key_id = models.CharField(max_length=32)
    sealed_private_key = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """The name."""
        return self.name

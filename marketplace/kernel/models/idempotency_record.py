"""Answers of committed writes, kept for replay."""

from django.db import models
from django.db.models.functions import Now

from marketplace.kernel import ids


class IdempotencyRecord(models.Model):
    """The first answer to a write with an Idempotency-Key; stored in the transaction of its effect.

    Kept at least 24 hours (`expires_at`). Secrets are never stored: `body` is what a replay returns.

    Attributes:
        request_hash: SHA-256 over method, path and body; another body under the same key is refused.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    key = models.CharField(max_length=255)
    request_hash = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        """One record per tenant and key."""

        constraints = [models.UniqueConstraint(fields=["tenant_id", "key"], name="kernel_idempotency_key_once")]
        indexes = [models.Index(fields=["expires_at"])]

    def __str__(self) -> str:
        """The key."""
        return self.key

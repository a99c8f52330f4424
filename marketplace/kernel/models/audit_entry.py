"""The audit log: who did what to whose thing, from where, with which result. Append-only."""

from django.db import models
from django.db.models.functions import Now

from marketplace.kernel import ids


class AuditEntry(models.Model):
    """One state-changing act; written in the transaction of the act itself, never changed.

    Attributes:
        action: Past tense, `<noun>.<verb>`, e.g. `instance.rented`.
        object_type: TypeID prefix of the object, e.g. `ins`.
        changes: What changed, as `{field: [before, after]}`; never secrets.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField(null=True)
    actor_kind = models.CharField(max_length=16)
    actor_name = models.CharField(max_length=254)
    user_id = models.UUIDField(null=True)
    api_key_id = models.UUIDField(null=True)
    address = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64)
    object_type = models.CharField(max_length=16)
    object_id = models.UUIDField(null=True)
    reason = models.TextField(blank=True)
    changes = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Read newest first, by tenant or by object."""

        indexes = [
            models.Index(fields=["tenant_id", "-occurred_at"]),
            models.Index(fields=["object_id", "-occurred_at"]),
        ]

    def __str__(self) -> str:
        """Action and actor."""
        return f"{self.action} by {self.actor_name}"

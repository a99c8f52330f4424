"""One append-only row per move of an instance; usage, notifications and the timeline read these."""

from django.db import models
from django.db.models.functions import Now

from marketplace.instances.models.instance import Instance
from marketplace.kernel import ids
from marketplace.kernel.feeds import CurrentTransactionId


class Transition(models.Model):
    """A move that happened.

    Attributes:
        xid: The writing transaction's id; feeds read only below the oldest running one (kernel.feeds).
        attempt: Which placement it belongs to.
        occurred_at: The instant used for metering: clamped and floored where it came from a cluster.
        reported_at: The instant as the cluster or person reported it, when it differs in kind.
        recorded_at: When we wrote it.
        trigger: Which process or face: `rent`, `admitter`, `reconciler`, `customer` …
    """

    TYPE_PREFIX = "trn"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    xid = models.BigIntegerField(db_default=CurrentTransactionId())
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="transitions")
    attempt = models.PositiveIntegerField()
    from_state = models.CharField(max_length=12, blank=True)
    to_state = models.CharField(max_length=12)
    trigger = models.CharField(max_length=20)
    reason = models.CharField(max_length=40)
    detail = models.TextField(blank=True)
    actor_name = models.CharField(max_length=254)
    occurred_at = models.DateTimeField()
    reported_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Read per instance in order, or as a feed by (xid, id)."""

        indexes = [
            models.Index(fields=["instance", "id"]),
            models.Index(fields=["tenant_id", "xid", "id"], name="instances_feed_of_tenant"),
        ]

    def __str__(self) -> str:
        """From and to."""
        return f"{self.from_state} → {self.to_state}"

"""When a waiting instance was expected to start, and when it did."""

from django.db import models

from marketplace.instances.models.instance import Instance
from marketplace.kernel import ids


class StartEstimate(models.Model):
    """The first estimate for one wait; its error is known once the instance is placed.

    Attributes:
        attempt: The placement that the wait ends with.
        started_at: When it was placed; null while it waits, or when it never was.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="start_estimates")
    attempt = models.PositiveIntegerField()
    estimated_at = models.DateTimeField()
    p50_at = models.DateTimeField(null=True)
    p90_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)

    class Meta:
        """One per wait."""

        constraints = [models.UniqueConstraint(fields=["instance", "attempt"], name="instances_estimate_once")]

    def __str__(self) -> str:
        """The cautious instant."""
        return self.p90_at.isoformat()

"""A running pod seen again after its cluster had been silent."""

from django.db import models

from marketplace.instances.models.instance import Instance
from marketplace.kernel import ids


class RunSighting(models.Model):
    """The pod of a run was still there, under the same UID, when its cluster answered again; evidence for the meter. Append-only.

    Attributes:
        running_since: Null when the container had the `startedAt` that it had before the silence; else its new start.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="run_sightings")
    attempt = models.PositiveIntegerField()
    rank = models.PositiveSmallIntegerField(default=0)
    seen_at = models.DateTimeField()
    running_since = models.DateTimeField(null=True)

    class Meta:
        """The same sighting is kept once."""

        constraints = [
            models.UniqueConstraint(fields=["instance", "attempt", "rank", "seen_at"], name="instances_sighting_once"),
        ]

    def __str__(self) -> str:
        """When."""
        return f"{self.seen_at}"

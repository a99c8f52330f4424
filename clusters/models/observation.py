"""What a cluster said about our pods, as it said it; append-only."""

from django.db import models

from marketplace.inventory.models import Cluster
from marketplace.kernel import ids


class PodObservation(models.Model):
    """One sighting of one version of one pod; the fold over a pod's sightings does not depend on their order.

    Attributes:
        kind: `seen` or `deleted` (the deletion was observed).
        body: The part of the pod object that the fold reads.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+")
    instance_id = models.UUIDField()
    pod_name = models.CharField(max_length=63)
    pod_uid = models.CharField(max_length=64)
    resource_version = models.CharField(max_length=40)
    kind = models.CharField(max_length=8)
    body = models.JSONField()
    observed_at = models.DateTimeField()

    class Meta:
        """The same version is stored once, however often it is delivered."""

        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "pod_uid", "resource_version", "kind"], name="clusters_observation_once"
            ),
        ]
        indexes = [models.Index(fields=["pod_uid"])]

    def __str__(self) -> str:
        """Pod and version."""
        return f"{self.pod_name}@{self.resource_version}"

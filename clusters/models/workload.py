"""What should exist in a cluster for one attempt of an instance, and who is working on it."""

from django.db import models
from django.db.models import Q

from marketplace.instances.models import Allocation, Instance
from marketplace.inventory.models import Cluster
from marketplace.kernel import ids


class Workload(models.Model):
    """The reconciler's row for one allocation: due when something may differ, claimed while a worker compares.

    Attributes:
        pod_name: Deterministic: from the instance's id and the attempt.
        pod_uid: UID of the pod we know to be ours; deletes carry it as a precondition.
        due_at: Next time somebody should look; null = at rest.
        claim_token: Grows with each claim; a write under an older token changes 0 rows.
        facts: The fold of what was observed (`clusters.observations.PodFacts`), for people and for the next pass.
        gone_at: When the deletion of every pod was observed; after that the row is history.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="workloads")
    allocation = models.OneToOneField(Allocation, on_delete=models.PROTECT, related_name="workload")
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="workloads")
    namespace = models.CharField(max_length=63)
    pod_name = models.CharField(max_length=63)
    pod_uid = models.CharField(max_length=64, blank=True)
    due_at = models.DateTimeField(null=True)
    claim_token = models.BigIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    applied_at = models.DateTimeField(null=True)
    last_sighted_at = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        """Claimed by due time; a pod name is one workload's."""

        constraints = [
            models.UniqueConstraint(fields=["cluster", "namespace", "pod_name"], name="clusters_workload_pod_once"),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="clusters_workload_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["cluster"], name="clusters_workload_live", condition=Q(gone_at__isnull=True)),
        ]

    def __str__(self) -> str:
        """The pod's name."""
        return self.pod_name

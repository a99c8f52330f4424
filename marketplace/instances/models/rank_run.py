"""When each pod of a gang ran."""

from django.db import models
from django.db.models import F, Q

from marketplace.instances.models.instance import Instance
from marketplace.kernel import ids


class RankRun(models.Model):
    """One rank of one attempt of a gang: when its main container started, and when it finished before the others.

    Only gangs have such rows; what a single pod does stands in the instance's transitions. The meter of every rank starts when the
    last one runs, and ends with the gang or with the rank's own end.

    Attributes:
        started_at: Clamped and floored, as the meter uses it.
        ended_at: Set once, when the rank finished its work while others went on.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="rank_runs")
    attempt = models.PositiveIntegerField()
    rank = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        """One per rank and attempt."""

        constraints = [
            models.UniqueConstraint(fields=["instance", "attempt", "rank"], name="instances_rank_once"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="instances_rank_not_inverted",
            ),
        ]

    def __str__(self) -> str:
        """The rank."""
        return f"{self.attempt}/{self.rank}"

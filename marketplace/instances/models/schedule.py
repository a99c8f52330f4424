"""When an instance is started and stopped by the clock."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from marketplace.instances.models.instance import Instance
from marketplace.instances.schedules import ScheduleAction
from marketplace.kernel import ids


class Schedule(models.Model):
    """Start or stop an instance at a wall-clock time in Seoul, on weekdays or on one date.

    Attributes:
        weekdays: 1 = Monday to 7 = Sunday; empty for a single date.
        next_at: When it acts next; null = never again.
        retry_until: Until when a refused start is tried again before the next turn; null = nothing was refused.
        last_outcome: `done`, `nothing_to_do`, or the code of what refused it.
        created_by: In whose name it acts; their quota counts.
    """

    TYPE_PREFIX = "sch"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="schedules")
    action = models.CharField(max_length=5, choices=[(action.value, action.name) for action in ScheduleAction])
    at = models.TimeField()
    weekdays = ArrayField(models.PositiveSmallIntegerField(), default=list)
    on = models.DateField(null=True)
    next_at = models.DateTimeField(null=True)
    retry_until = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    last_outcome = models.CharField(max_length=60, blank=True)
    created_by_id = models.UUIDField(null=True)
    created_by_name = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        """Either weekdays or one date; the sweep reads what is due."""

        constraints = [
            models.CheckConstraint(
                condition=Q(weekdays=[], on__isnull=False) | (~Q(weekdays=[]) & Q(on__isnull=True)),
                name="instances_schedule_days",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"],
                name="instances_schedule_due",
                condition=Q(next_at__isnull=False, removed_at__isnull=True),
            ),
            models.Index(fields=["instance"], name="instances_schedule_of", condition=Q(removed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        """Action and time."""
        return f"{self.action} {self.at:%H:%M}"

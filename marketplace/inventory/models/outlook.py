"""What the queue means for somebody who asks now: written by one process, read by every other."""

from django.db import models
from django.db.models import Q


class Outlook(models.Model):
    """The latest look ahead, of no tenant and about none: one row, replaced each time.

    Attributes:
        body: Held stock, use of shares and expected starts, as `journeys.outlook` writes and reads them.
        computed_at: The instant it looked from.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    body = models.JSONField()
    computed_at = models.DateTimeField()

    class Meta:
        """One row."""

        constraints = [models.CheckConstraint(condition=Q(id=1), name="inventory_outlook_once")]

    def __str__(self) -> str:
        """The instant."""
        return self.computed_at.isoformat()

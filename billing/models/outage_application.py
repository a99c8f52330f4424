"""Which outages the meter has taken into account, and in which state."""

from django.db import models
from django.db.models.functions import Now

from marketplace.inventory.models import Outage
from marketplace.kernel import ids


class OutageApplication(models.Model):
    """Every instance that an outage concerns was metered with it, as the outage was when it read `state`. Append-only.

    Attributes:
        state: Which of end, relisting and withdrawal were set: "100" = ended. Each is set once, so this names a state.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    outage = models.ForeignKey(Outage, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=3)
    applied_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Once per state."""

        constraints = [models.UniqueConstraint(fields=["outage", "state"], name="billing_outage_applied_once")]

    def __str__(self) -> str:
        """The state."""
        return self.state

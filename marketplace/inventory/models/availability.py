"""What of each offer can be had, as the admitter last saw it."""

from django.db import models

from marketplace.inventory.models.offer import Offer


class OfferAvailability(models.Model):
    """The admitter's answer to "what if one more asked", per offer; rewritten when it changes.

    Attributes:
        groups: For each set of versions among the offer's nodes: `{driver, firmware, runtime, devices_now, devices_max, waits:
            [[devices, p50_at, p90_at]], obstacle}`; see `scheduling.availability`.
        computed_at: When the admitter last looked, also when nothing had changed.
    """

    offer = models.OneToOneField(Offer, on_delete=models.PROTECT, primary_key=True, related_name="availability")
    groups = models.JSONField(default=list)
    computed_at = models.DateTimeField()

    def __str__(self) -> str:
        """The instant."""
        return self.computed_at.isoformat()

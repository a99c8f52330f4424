"""Charges summed by day, for showing cost without reading them all."""

from django.db import models

from marketplace.kernel import ids


class CostDay(models.Model):
    """What one instance, or one commitment, was charged for one day in Seoul: a projection of charges.

    Kept up in the transaction that writes a charge. Reports and running cost read a few
    rows per instance and day here instead of every usage interval.

    Attributes:
        source_id: The instance, or the commitment whose fee it is.
        cost_centre: The project's at the time of the day's first charge; an accounting code that changes later leaves it.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    source_id = models.UUIDField()
    instance_id = models.UUIDField(null=True)
    project_id = models.UUIDField(null=True)
    offer_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=12)
    day = models.DateField()
    cost_centre = models.CharField(max_length=40, blank=True)
    numerator = models.DecimalField(max_digits=38, decimal_places=0)
    device_seconds = models.BigIntegerField()

    class Meta:
        """Read by tenant and day, by project and day, by instance."""

        constraints = [
            models.UniqueConstraint(
                fields=["source_id", "day", "kind", "offer_id"], nulls_distinct=False, name="billing_costday_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant_id", "day"], include=["kind", "numerator", "device_seconds", "project_id"],
                name="billing_costday_by_tenant",
            ),
            models.Index(
                fields=["project_id", "day"], include=["kind", "numerator", "device_seconds"],
                name="billing_costday_by_project",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        """The day."""
        return self.day.isoformat()

"""The exact price of one closed usage interval."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.usage_interval import UsageInterval
from marketplace.instances.models import Instance
from marketplace.inventory.models import Seller
from marketplace.kernel import ids


class Charge(models.Model):
    """`price_micros_per_device_hour x device_seconds`, unrounded; rounding happens once, on the invoice line. Append-only.

    Attributes:
        month: First day of the billing month in Asia/Seoul.
        numerator: Exact; ÷ 3.6e9 is won (kernel.money).
        invoice_line: Set once, when the month is closed.
    """

    TYPE_PREFIX = "chg"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    usage_interval = models.OneToOneField(UsageInterval, on_delete=models.PROTECT, related_name="charge")
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="charges")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    billing_profile_id = models.UUIDField()
    price_version_id = models.UUIDField()
    price_micros_per_device_hour = models.BigIntegerField()
    devices = models.PositiveSmallIntegerField()
    device_seconds = models.BigIntegerField()
    numerator = models.DecimalField(max_digits=38, decimal_places=0)
    month = models.DateField()
    invoice_line = models.ForeignKey("billing.InvoiceLine", on_delete=models.PROTECT, null=True, related_name="charges")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Exact: the numerator is the product of its factors."""

        constraints = [
            models.CheckConstraint(
                condition=Q(numerator=models.F("price_micros_per_device_hour") * models.F("device_seconds")),
                name="billing_charge_exact",
            ),
            models.CheckConstraint(condition=Q(device_seconds__gt=0), name="billing_charge_positive"),
        ]
        indexes = [
            models.Index(fields=["month", "billing_profile_id", "seller"], name="billing_charge_month"),
            models.Index(fields=["instance"]),
        ]

    def __str__(self) -> str:
        """Device-seconds."""
        return f"{self.device_seconds} device-seconds"

"""The exact price of a closed usage interval, or a sum that an agreement adds beside usage."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.usage_interval import UsageInterval
from marketplace.instances.models import Instance
from marketplace.inventory.models import Seller
from marketplace.kernel import ids


class ChargeKind(models.TextChoices):
    """What a charge is for; values are those of rating.LineKind."""

    USAGE = "usage", _("Usage")
    CORRECTION = "correction", _("Correction of usage")
    MINIMUM = "minimum", _("Minimum term or charge")
    COMMITMENT = "commitment", _("Commitment")
    COVERED = "covered", _("Covered by a commitment")
    DISCOUNT = "discount", _("Discount")


class Charge(models.Model):
    """An exact sum, unrounded; rounding happens once, on the invoice line. Append-only.

    A usage interval has one charge for each price that held during it; a correction names the interval and takes off or adds what
    later evidence says.

    Attributes:
        agreement_id: The commitment or discount it comes from.
        offer_id: What was used.
        started_at, ended_at: The part of the interval, or the time the sum is for.
        month: First day of the billing month in Asia/Seoul.
        unit_seconds: What the price is multiplied with; 0 where a sum is no product.
        price_micros: Per unit and hour or month, by shape.
        price_micros_per_device_hour: The same for comparing; exact for prices per device and hour.
        basis_points: Of a discount, hundredths of a percent.
        base_numerator: What a discount is a part of, or how much of a minimum charge usage has reached.
        numerator: Exact; ÷ 3.6e9 is won (kernel.money).
        invoice_line: Set once, when the month is closed.
    """

    TYPE_PREFIX = "chg"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    kind = models.CharField(max_length=12, choices=ChargeKind, default=ChargeKind.USAGE)
    usage_interval = models.ForeignKey(UsageInterval, on_delete=models.PROTECT, null=True, related_name="charges")
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, null=True, related_name="charges")
    agreement_id = models.UUIDField(null=True)
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    billing_profile_id = models.UUIDField()
    price_version_id = models.UUIDField(null=True)
    offer_id = models.UUIDField(null=True)
    meter = models.CharField(max_length=16, default="device")
    shape = models.CharField(max_length=16, default="hourly")
    unit = models.CharField(max_length=8, default="device")
    price_micros = models.BigIntegerField()
    price_micros_per_device_hour = models.BigIntegerField()
    devices = models.PositiveSmallIntegerField()
    unit_seconds = models.BigIntegerField()
    device_seconds = models.BigIntegerField()
    numerator = models.DecimalField(max_digits=38, decimal_places=0)
    basis_points = models.PositiveSmallIntegerField(null=True)
    base_numerator = models.DecimalField(max_digits=38, decimal_places=0, default=0)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    month = models.DateField()
    invoice_line = models.ForeignKey("billing.InvoiceLine", on_delete=models.PROTECT, null=True, related_name="charges")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Exact: where the price is per hour, the numerator is the product of its factors."""

        constraints = [
            models.CheckConstraint(
                condition=~Q(kind__in=["usage", "correction", "covered"], shape="hourly")
                | Q(numerator=models.F("price_micros") * models.F("unit_seconds")),
                name="billing_charge_exact",
            ),
            models.CheckConstraint(condition=~Q(kind="usage") | Q(unit_seconds__gt=0), name="billing_charge_positive"),
            models.CheckConstraint(
                condition=Q(kind__in=["usage", "correction"], usage_interval__isnull=False)
                | ~Q(kind__in=["usage", "correction"]) & Q(usage_interval__isnull=True),
                name="billing_charge_from_usage",
            ),
            models.UniqueConstraint(
                fields=["usage_interval", "started_at"],
                condition=Q(kind="usage"),
                name="billing_charge_once",
            ),
        ]
        indexes = [
            models.Index(fields=["month", "billing_profile_id", "seller"], name="billing_charge_month"),
            models.Index(fields=["instance"]),
            models.Index(
                fields=["agreement_id", "month"],
                name="billing_charge_agreement",
                condition=Q(agreement_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """Device-seconds."""
        return f"{self.device_seconds} device-seconds"

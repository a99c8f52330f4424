"""Invoices: immutable once issued, numbered without gaps."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from marketplace.instances.models import Instance
from marketplace.inventory.models import Seller
from marketplace.kernel import ids
from marketplace.tenants.models import BillingProfile, Tenant
from marketplace.tenants.models.billing_profile import PaymentMode


class InvoiceSeries(models.Model):
    """The last number given out in a seller's month; its row is locked while numbers are given."""

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    month = models.DateField()
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        """One series per seller and month."""

        constraints = [models.UniqueConstraint(fields=["seller", "month"], name="billing_series_once")]

    def __str__(self) -> str:
        """Month and last number."""
        return f"{self.month:%Y-%m} {self.last_number}"


class Invoice(models.Model):
    """What one billing profile owes one seller for one month in Asia/Seoul. Append-only: issued documents never change.

    Attributes:
        sequence: 1 for the month's invoice; later ones are adjustments for usage found late.
        number: `<year><month>-<seller's business number's last five>-<six digits>`, without gaps per seller and month.
        supply_won: Supply value (공급가액), sum of the lines.
        payment_mode: How the payer paid when it was issued; credit pays a prepaid one at once.
        document: Everything printed, as it was; the PDF is rendered from it alone.
        document_hash: SHA-256 of the canonical document.
    """

    TYPE_PREFIX = "inv"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="invoices")
    billing_profile = models.ForeignKey(BillingProfile, on_delete=models.PROTECT, related_name="invoices")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="invoices")
    month = models.DateField()
    sequence = models.PositiveSmallIntegerField(default=1)
    number = models.CharField(max_length=40, unique=True)
    supply_won = models.BigIntegerField()
    vat_won = models.BigIntegerField()
    total_won = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="KRW")
    payment_mode = models.CharField(max_length=8, choices=PaymentMode, default=PaymentMode.ARREARS)
    document = models.JSONField()
    document_hash = models.BinaryField(max_length=32)
    issued_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Supply value and VAT make the total; one invoice per payer, seller, month and sequence."""

        constraints = [
            models.UniqueConstraint(
                fields=["billing_profile", "seller", "month", "sequence"], name="billing_invoice_once"
            ),
            models.UniqueConstraint(fields=["tenant", "id"], name="billing_invoice_tenant_id"),
            models.CheckConstraint(
                condition=Q(total_won=F("supply_won") + F("vat_won")), name="billing_invoice_adds_up"
            ),
        ]
        indexes = [models.Index(fields=["tenant", "-id"], name="billing_invoice_by_tenant")]

    def __str__(self) -> str:
        """The number."""
        return self.number


class InvoiceLine(models.Model):
    """One instance at one price in one month; the only place where a charge is rounded. Append-only.

    Attributes:
        kind: What the charges of the line are for; `adjustment` on the line that makes a ten-won payer's total (끝수 조정).
        instance: Null on the adjustment line and on a commitment's fee.
        agreement_id: The commitment or discount it comes from.
        price_micros: Per unit and hour or month, by `shape`; `unit_seconds` is what it is multiplied with.
        started_at, ended_at: First and last instant of this line's own charges.
        basis_points, base_numerator: Of a discount: the part and what it is a part of.
        numerator: Sum of the charges' numerators; `supply_won` is it ÷ 3.6e9, half up.
    """

    TYPE_PREFIX = "lin"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, null=True, related_name="+")
    description = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, default="usage")
    agreement_id = models.UUIDField(null=True)
    price_version_id = models.UUIDField(null=True)
    meter = models.CharField(max_length=16, default="device")
    shape = models.CharField(max_length=16, default="hourly")
    unit = models.CharField(max_length=8, default="device")
    price_micros = models.BigIntegerField(default=0)
    unit_seconds = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    price_micros_per_device_hour = models.BigIntegerField()
    device_seconds = models.BigIntegerField()
    numerator = models.DecimalField(max_digits=38, decimal_places=0)
    basis_points = models.PositiveSmallIntegerField(null=True)
    base_numerator = models.DecimalField(max_digits=38, decimal_places=0, default=0)
    supply_won = models.BigIntegerField()

    class Meta:
        """In order."""

        constraints = [models.UniqueConstraint(fields=["invoice", "position"], name="billing_line_position")]
        ordering = ["position"]

    def __str__(self) -> str:
        """Description."""
        return self.description

"""What a payer agreed beyond the price: a number of devices for a term, or a part of the price off."""

from django.db import models
from django.db.models import F, Q

from marketplace.inventory.models import Offer, Seller
from marketplace.kernel import ids
from marketplace.tenants.models import BillingProfile, Tenant


class Agreement(models.Model):
    """What commitments and discounts have in common. Signed once, never changed but for how far it is accounted.

    Attributes:
        billing_profile: Who pays; only its projects' usage counts.
        reference: The contract's or decision's number, printed beside the line.
        accounted_on: The day in Seoul on which its charges were last brought up to date; null = never.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    billing_profile = models.ForeignKey(BillingProfile, on_delete=models.PROTECT, related_name="+")
    reference = models.CharField(max_length=80, blank=True)
    reason = models.TextField()
    signed_by = models.CharField(max_length=254)
    signed_at = models.DateTimeField()
    accounted_on = models.DateField(null=True)

    class Meta:
        """No table of its own."""

        abstract = True


class Commitment(Agreement):
    """N devices of an offer during [started_at, ended_at), paid whether used or not; what is used above is on demand.

    Attributes:
        unit, unit_devices: What the price buys, as with prices; it covers usage that is charged in the same unit.
        units: How many are committed.
        price_micros: Per unit and hour or month, by `shape`, VAT apart.
        seller: Who sold the offer when it was signed.
    """

    TYPE_PREFIX = "com"

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="+")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    shape = models.CharField(max_length=16)
    unit = models.CharField(max_length=8)
    unit_devices = models.PositiveSmallIntegerField(default=1)
    units = models.PositiveIntegerField()
    price_micros = models.BigIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        """Read by tenant and by payer."""

        constraints = [
            models.UniqueConstraint(fields=["tenant", "id"], name="billing_commitment_tenant_id"),
            models.CheckConstraint(
                condition=Q(price_micros__gt=0, units__gte=1, unit_devices__gte=1, ended_at__gt=F("started_at")),
                name="billing_commitment_valid",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "ended_at"], name="billing_commitment_by_tenant"),
            models.Index(fields=["billing_profile", "started_at"], name="billing_commitment_by_payer"),
        ]

    def __str__(self) -> str:
        """How many, of what."""
        return f"{self.units} × {self.unit}"

    @property
    def devices(self) -> int:
        """Committed devices."""
        return self.units * self.unit_devices


class Discount(Agreement):
    """A part of what usage costs, off, in whole months in Seoul, until a cap is reached.

    Attributes:
        offer: Only usage of this offer; null = all.
        basis_points: Hundredths of a percent.
        first_month, last_month: Their first days; both included.
        cap_won: Most that it gives in all; null = no cap.
    """

    TYPE_PREFIX = "dsc"

    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, related_name="+")
    basis_points = models.PositiveSmallIntegerField()
    first_month = models.DateField()
    last_month = models.DateField()
    cap_won = models.BigIntegerField(null=True)

    class Meta:
        """Read by tenant and by payer."""

        constraints = [
            models.UniqueConstraint(fields=["tenant", "id"], name="billing_discount_tenant_id"),
            models.CheckConstraint(
                condition=Q(basis_points__range=(1, 10_000), last_month__gte=F("first_month"))
                & (Q(cap_won__isnull=True) | Q(cap_won__gt=0)),
                name="billing_discount_valid",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "last_month"], name="billing_discount_by_tenant"),
            models.Index(fields=["billing_profile", "first_month"], name="billing_discount_by_payer"),
        ]

    def __str__(self) -> str:
        """Percent."""
        return f"{self.basis_points} basis points"

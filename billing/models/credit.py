"""Money paid ahead: accounts, movements, lots, top-ups, and what running instances keep of it."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.instances.models import Instance
from marketplace.inventory.models import Seller
from marketplace.kernel import ids
from marketplace.tenants.models import BillingProfile, Project, Tenant


class CreditStage(models.TextChoices):
    """Where an account stands on the way to its end (billing.runway)."""

    ENOUGH = "enough", _("Enough")
    LOW = "low", _("Low")
    GRACE = "grace", _("About to run out")
    EXHAUSTED = "exhausted", _("Used up")


class CreditAccount(models.Model):
    """What a billing profile has paid ahead to one seller, VAT apart.

    One seller each: credit that several sellers honour would be a prepaid instrument under supervision (korea.md).

    Attributes:
        stage: As last evaluated; what was told to people.
        next_crossing_at: When it will be another one at the present rate; null = never at this rate.
        settled_on: The day in Seoul up to which use was posted last.
    """

    TYPE_PREFIX = "crd"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    billing_profile = models.ForeignKey(BillingProfile, on_delete=models.PROTECT, related_name="+")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    stage = models.CharField(max_length=10, choices=CreditStage, default=CreditStage.ENOUGH)
    next_crossing_at = models.DateTimeField(null=True)
    settled_on = models.DateField(null=True)
    opened_at = models.DateTimeField()

    class Meta:
        """One per payer and seller; the due ones are found by their next crossing."""

        constraints = [
            models.UniqueConstraint(fields=["billing_profile", "seller"], name="billing_credit_once"),
            models.UniqueConstraint(fields=["tenant", "id"], name="billing_credit_tenant_id"),
        ]
        indexes = [models.Index(fields=["next_crossing_at"], name="billing_credit_due")]

    def __str__(self) -> str:
        """Stage."""
        return self.stage


class MovementKind(models.TextChoices):
    """Why credit became more or less."""

    TOP_UP = "top_up", _("Top-up")
    USE = "use", _("Use")
    EXPIRY = "expiry", _("Expired")


class CreditMovement(models.Model):
    """Credit in (positive) or out (negative), posted to the ledger under the same key. Append-only.

    Attributes:
        key: The ledger transaction's.
    """

    TYPE_PREFIX = "mov"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="movements")
    kind = models.CharField(max_length=8, choices=MovementKind)
    amount_won = models.BigIntegerField()
    key = models.CharField(max_length=120, unique=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Never of nothing."""

        constraints = [
            models.CheckConstraint(condition=~Q(amount_won=0), name="billing_movement_not_zero"),
            models.UniqueConstraint(fields=["tenant_id", "id"], name="billing_movement_tenant_id"),
        ]
        indexes = [models.Index(fields=["account", "-id"], name="billing_movement_by_account")]

    def __str__(self) -> str:
        """Amount."""
        return str(self.amount_won)


class CreditLot(models.Model):
    """Credit that came in together and may expire together. Append-only.

    Attributes:
        amount_won: Without VAT.
        vat_won: Paid with it; becomes VAT payable with the invoices.
        expires_at: Null = never.
    """

    TYPE_PREFIX = "lot"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="lots")
    amount_won = models.BigIntegerField()
    vat_won = models.BigIntegerField()
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        """Positive."""

        constraints = [
            models.CheckConstraint(condition=Q(amount_won__gt=0) & Q(vat_won__gte=0), name="billing_lot_positive"),
            models.UniqueConstraint(fields=["tenant_id", "id"], name="billing_lot_tenant_id"),
        ]
        indexes = [models.Index(fields=["account", "expires_at"], name="billing_lot_by_account")]

    def __str__(self) -> str:
        """Amount."""
        return str(self.amount_won)


class CreditDraw(models.Model):
    """What was taken from a lot, or given back (negative). Append-only.

    Attributes:
        lot: Null = used beyond every lot: a debt, which the next top-up covers.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="draws")
    lot = models.ForeignKey(CreditLot, on_delete=models.PROTECT, null=True, related_name="draws")
    movement = models.ForeignKey(CreditMovement, on_delete=models.PROTECT, related_name="draws")
    amount_won = models.BigIntegerField()

    def __str__(self) -> str:
        """Amount."""
        return str(self.amount_won)


class TopUp(models.Model):
    """A payment that an operator recorded; above a limit it waits for a second one. Only its decision is added later.

    Attributes:
        paid_won: As received, VAT included.
        reference: The bank's; one payment is booked once.
        booked_at, declined_at: One of the two, once; null while a second operator has not decided.
    """

    TYPE_PREFIX = "top"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="top_ups")
    paid_won = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="KRW")
    method = models.CharField(max_length=16)
    reference = models.CharField(max_length=80)
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    reason = models.TextField()
    entered_by = models.CharField(max_length=254)
    entered_by_user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    entered_at = models.DateTimeField()
    decided_by = models.CharField(max_length=254, null=True)
    booked_at = models.DateTimeField(null=True)
    declined_at = models.DateTimeField(null=True)

    class Meta:
        """Positive; one bank reference once per account."""

        constraints = [
            models.CheckConstraint(condition=Q(paid_won__gt=0) & Q(currency="KRW"), name="billing_topup_won"),
            models.CheckConstraint(
                condition=Q(booked_at__isnull=True) | Q(declined_at__isnull=True), name="billing_topup_decided_once"
            ),
            models.UniqueConstraint(fields=["account", "method", "reference"], name="billing_topup_once"),
        ]
        indexes = [
            models.Index(
                fields=["entered_at"],
                name="billing_topup_waiting",
                condition=Q(booked_at__isnull=True, declined_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        """Reference."""
        return self.reference


class SpendHold(models.Model):
    """What an instance keeps of credit and budgets from renting on, until its use has caught up or it rests.

    Attributes:
        hold_numerator: Of the credit with this seller: the first hour, or all of a shorter time.
        estimate_numerator: Of the budgets: all of its maximum duration, or the first hour.
        charged_before: The instance's charges when it was taken, so that only later use counts against it.
        released_at: Set once, when the instance rests; until then it counts while the instance is wanted.
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="spend_holds")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    billing_profile = models.ForeignKey(BillingProfile, on_delete=models.PROTECT, related_name="+")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    hold_numerator = models.DecimalField(max_digits=38, decimal_places=0)
    estimate_numerator = models.DecimalField(max_digits=38, decimal_places=0)
    charged_before = models.DecimalField(max_digits=38, decimal_places=0, default=0)
    taken_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)

    class Meta:
        """One per instance and seller at a time."""

        constraints = [
            models.UniqueConstraint(
                fields=["instance", "seller"], condition=Q(released_at__isnull=True), name="billing_spendhold_once"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id"], name="billing_spendhold_active", condition=Q(released_at__isnull=True))
        ]

    def __str__(self) -> str:
        """Numerator."""
        return str(self.hold_numerator)

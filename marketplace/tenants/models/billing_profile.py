"""Who is billed, under which business number and with which rounding."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.tenants.models.tenant import Tenant


class Rounding(models.TextChoices):
    """How an invoice's total is rounded (국고금 관리법 art. 47: state money has no single won)."""

    WON = "won", _("To the won")
    TEN_WON = "ten_won", _("Cut to ten won")


class PaymentMode(models.TextChoices):
    """When a payer pays."""

    ARREARS = "arrears", _("By invoice, afterwards")
    PREPAID = "prepaid", _("Ahead, from credit")


class BillingProfile(models.Model):
    """A payer (청구처): one business number may have many, by branch place number or department."""

    TYPE_PREFIX = "bil"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="billing_profiles")
    name = models.CharField(max_length=100)
    company_name = models.CharField(max_length=120)
    business_number = models.CharField(max_length=10)
    place_number = models.CharField(max_length=4, blank=True)
    representative = models.CharField(max_length=60, blank=True)
    address = models.CharField(max_length=200, blank=True)
    department = models.CharField(max_length=100, blank=True)
    email = models.EmailField(blank=True)
    rounding = models.CharField(max_length=8, choices=Rounding, default=Rounding.WON)
    payment_mode = models.CharField(max_length=8, choices=PaymentMode, default=PaymentMode.ARREARS)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Named once per tenant; `(tenant, id)` is the target of composite foreign keys."""

        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="tenants_billingprofile_name_once"),
            models.UniqueConstraint(fields=["tenant", "id"], name="tenants_billingprofile_tenant_id"),
            models.CheckConstraint(
                condition=models.Q(business_number__regex=r"^[0-9]{10}$"), name="tenants_billingprofile_number"
            ),
        ]

    def __str__(self) -> str:
        """The name."""
        return self.name

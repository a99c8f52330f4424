"""Opening accounts, and choosing whether a billing profile pays by invoice or ahead."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from billing.models import Charge, CreditAccount, CreditStage
from marketplace.instances.models import Instance
from marketplace.instances.states import HOLDS_QUOTA
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import OndolError
from marketplace.tenants.models import BillingProfile
from marketplace.tenants.models.billing_profile import PaymentMode


class PaymentModeLocked(OndolError):
    """Something of the present mode is not done yet; nothing was changed."""

    code = "payment_mode_locked"
    http_status = 409
    title = _("The billing profile still has instances that run or usage that is not invoiced.")
    remedy = _("Change the way of paying once nothing runs and the month is closed.")


def find_or_open_account(*, billing_profile: BillingProfile, seller_id: UUID, now: datetime) -> CreditAccount:
    """The payer's account with a seller, opened when there is none. Safe to repeat."""
    account, _created = CreditAccount.objects.get_or_create(
        billing_profile=billing_profile,
        seller_id=seller_id,
        # An empty account is used up, which nobody need be told.
        defaults={"tenant_id": billing_profile.tenant_id, "opened_at": now, "stage": CreditStage.EXHAUSTED},
    )
    return account


def set_payment_mode(
    *, actor: Actor, billing_profile_id: UUID, mode: PaymentMode, reason: str, now: datetime
) -> BillingProfile:
    """Have a billing profile pay by invoice in arrears, or ahead. By operators; audited. Safe to repeat.

    Raises:
        PaymentModeLocked: Something runs or waits, or a charge is not invoiced: it would be paid in neither way, or in both.

    Locks the billing profile.
    """
    profile = BillingProfile.objects.select_for_update(no_key=True).get(id=billing_profile_id)
    if profile.payment_mode == mode:
        return profile
    live = Q(state__in=[state.value for state in HOLDS_QUOTA])
    if (
        Instance.objects.filter(live, project__billing_profile=profile).exists()
        or Charge.objects.filter(billing_profile_id=profile.id, invoice_line__isnull=True).exists()
    ):
        raise PaymentModeLocked
    before = profile.payment_mode
    profile.payment_mode = mode
    profile.save(update_fields=["payment_mode"])
    record_act(
        actor=actor, action="billing_profile.payment_mode_set", object_type="bil", object_id=profile.id,
        tenant_id=profile.tenant_id, reason=reason, now=now, changes={"payment_mode": [before, mode.value]},
    )  # fmt: skip
    return profile

"""Payments become credit: recorded by an operator, above a limit decided by a second one, booked once."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from billing.credit.accounts import find_or_open_account
from billing.credit.state import read_lots
from billing.ledger import AccountKind, Posting, post
from billing.models import CreditAccount, CreditDraw, CreditLot, CreditMovement, MovementKind, TopUp
from billing.payments.port import Payment
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, OndolError, ValidationFailed
from marketplace.kernel.hints import hint
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice, resolve_notice
from marketplace.tenants.models import BillingProfile

NOTICE_WAITING: Final = "credit.top_up_waiting"


class PaymentReused(OndolError):
    """The reference stands with another amount; nothing was booked."""

    code = "payment_reference_reused"
    http_status = 409
    title = _("The payment %(reference)s was recorded before with ₩%(paid)s.")
    remedy = _("Check the bank statement; each of its entries is recorded once.")


class SecondPersonNeeded(OndolError):
    """Whoever recorded a payment does not decide about it."""

    code = "second_person_needed"
    http_status = 403
    title = _("You recorded this top-up; somebody else has to decide.")
    remedy = _("Ask another operator to compare it with the bank statement.")


class TopUpDecided(OndolError):
    """It was booked or declined already."""

    code = "top_up_decided"
    http_status = 409
    title = _("This top-up was decided already.")
    remedy = _("Record the payment again if it was declined by mistake.")


def split_vat(paid_won: int) -> tuple[int, int]:
    """Credit and VAT of a payment, which add up to it: ₩110,000 → ₩100,000 and ₩10,000.

    Credit is cut to the won, so that the VAT kept is never less than a tenth of the credit: invoices cut their VAT, so what was
    paid ahead always covers it.
    """
    credit = paid_won * 100 // 110
    return credit, paid_won - credit


def record_top_up(
    *,
    actor: Actor,
    billing_profile_id: UUID,
    seller_id: UUID,
    payment: Payment,
    reason: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> TopUp:
    """Record a payment; it is booked at once below the limit, else once a second operator has agreed. Audited.

    Safe to repeat: the same payment is recorded once.

    Raises:
        NotFound: No such billing profile.
        ValidationFailed: It would expire before it was received, arrives in the future, or is too small to be credit.
        PaymentReused: The reference stands with another amount.

    Locks the credit account.
    """
    profile = BillingProfile.objects.filter(id=billing_profile_id).first()
    if profile is None:
        raise NotFound(pointer="/billing_profile")
    if expires_at is not None and expires_at <= max(payment.received_at, now):
        raise ValidationFailed(reason=_("Credit cannot expire before it is there."), pointer="/expires_at")
    if payment.received_at > now:
        raise ValidationFailed(reason=_("A payment cannot arrive in the future."), pointer="/received_on")
    if split_vat(payment.paid_won)[0] <= 0:
        raise ValidationFailed(reason=_("Without VAT nothing is left of so small a payment."), pointer="/paid")
    account = lock_account(find_or_open_account(billing_profile=profile, seller_id=seller_id, now=now).id)
    stands = TopUp.objects.filter(account=account, method=payment.method, reference=payment.reference).first()
    if stands is not None:
        if stands.paid_won != payment.paid_won:
            raise PaymentReused(
                facts={"reference": payment.reference, "paid": f"{stands.paid_won:,}"}, pointer="/reference"
            )
        return stands
    top_up = TopUp.objects.create(
        tenant_id=account.tenant_id,
        account=account,
        paid_won=payment.paid_won,
        method=payment.method,
        reference=payment.reference,
        received_at=payment.received_at,
        expires_at=expires_at,
        reason=reason,
        entered_by=actor.name,
        entered_by_user_id=actor.user_id,
        entered_at=now,
    )
    record_act(
        actor=actor, action="credit.top_up_recorded", object_type="top", object_id=top_up.id,
        tenant_id=account.tenant_id, reason=reason, now=now,
        changes={"paid_won": payment.paid_won, "reference": payment.reference},
    )  # fmt: skip
    if payment.paid_won >= settings.TOP_UP_SECOND_PERSON_FROM_WON:
        raise_notice(
            key=f"{NOTICE_WAITING}:{top_up.id}", code=NOTICE_WAITING, severity=Severity.INFO, now=now,
            facts={"paid": f"{payment.paid_won:,}", "who": actor.name}, object_type="top", object_id=top_up.id,
        )  # fmt: skip
        return top_up
    return _book(top_up, account, now=now)


def decide_top_up(*, actor: Actor, top_up_id: UUID, accept: bool, reason: str, now: datetime) -> TopUp:
    """A second operator books a large top-up or declines it. Audited.

    Raises:
        NotFound: No such top-up.
        SecondPersonNeeded: The actor recorded it.
        TopUpDecided: It is not waiting.

    Locks the credit account.
    """
    found = TopUp.objects.filter(id=top_up_id).first()
    if found is None:
        raise NotFound
    account = lock_account(found.account_id)
    top_up = TopUp.objects.get(id=top_up_id)
    if top_up.booked_at is not None or top_up.declined_at is not None:
        raise TopUpDecided
    if actor.name == top_up.entered_by or (actor.user_id is not None and actor.user_id == top_up.entered_by_user_id):
        raise SecondPersonNeeded
    record_act(
        actor=actor, action="credit.top_up_agreed" if accept else "credit.top_up_declined", object_type="top",
        object_id=top_up.id, tenant_id=account.tenant_id, reason=reason, now=now,
    )  # fmt: skip
    resolve_notice(key=f"{NOTICE_WAITING}:{top_up.id}", now=now)
    top_up.decided_by = actor.name
    if accept:
        return _book(top_up, account, now=now)
    top_up.declined_at = now
    top_up.save(update_fields=["decided_by", "declined_at"])
    return top_up


def lock_account(account_id: UUID) -> CreditAccount:
    """The account, locked until the open transaction ends."""
    return CreditAccount.objects.select_for_update(no_key=True).get(id=account_id)


def _book(top_up: TopUp, account: CreditAccount, *, now: datetime) -> TopUp:
    """A lot, its movement and the ledger; a debt is covered from it first."""
    credit, vat = split_vat(top_up.paid_won)
    key = f"topup:{top_up.id}"
    _lots, debt = read_lots(account_id=account.id)
    lot = CreditLot.objects.create(
        tenant_id=account.tenant_id,
        account=account,
        amount_won=credit,
        vat_won=vat,
        received_at=top_up.received_at,
        expires_at=top_up.expires_at,
    )
    movement = CreditMovement.objects.create(
        tenant_id=account.tenant_id,
        account=account,
        kind=MovementKind.TOP_UP,
        amount_won=credit,
        key=key,
        occurred_at=now,
    )
    covered = min(max(debt, 0), credit)
    if covered:
        CreditDraw.objects.bulk_create(
            CreditDraw(tenant_id=account.tenant_id, account=account, lot=target, movement=movement, amount_won=amount)
            for target, amount in ((lot, covered), (None, -covered))
        )
    post(
        tenant_id=account.tenant_id,
        seller_id=account.seller_id,
        key=key,
        postings=[
            Posting(kind=AccountKind.BANK, amount_won=top_up.paid_won),
            Posting(kind=AccountKind.CREDIT, amount_won=-credit),
            Posting(kind=AccountKind.CREDIT_VAT, amount_won=-vat),
        ],
        occurred_at=top_up.received_at,
    )
    top_up.booked_at = now
    top_up.save(update_fields=["decided_by", "booked_at"])
    # Looked at again at once: what was told about a low balance may be over.
    CreditAccount.objects.filter(id=account.id).update(next_crossing_at=now)
    hint("spending.changed", account.tenant_id)
    return top_up

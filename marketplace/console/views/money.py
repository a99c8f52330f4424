"""Credit and the ledger: top-ups with a second person, ways of paying, balances, transactions, and whether it all adds up."""

from datetime import datetime
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from billing.credit import decide_top_up, record_top_up, set_payment_mode
from billing.credit.reading import list_accounts_for_operators, list_payers, list_sellers, list_waiting_top_ups
from billing.ledger import find_difference
from billing.ledger.reading import list_named_balances, list_transactions
from billing.payments.bank_transfer import read_transfer
from billing.payments.port import parse_won
from marketplace.console.page import OperatorPage, operator_page
from marketplace.kernel import clock
from marketplace.kernel.days import begin_of, parse_day
from marketplace.kernel.errors import ValidationFailed
from marketplace.tenants.models.billing_profile import PaymentMode

TRANSACTIONS_SHOWN_MAX = 100


@require_GET
@operator_page("credit")
def credit(page: OperatorPage) -> HttpResponse:
    """What waits for a second person, the form, and every account, some at a time."""
    wanted = page.request.GET.get("q", "").strip()[:100]
    text = page.request.GET.get("offset", "0")
    offset = int(text) if text.isascii() and text.isdigit() and len(text) <= 7 else 0
    return page.render(
        "credit.html",
        title=_("Credit"),
        waiting=list_waiting_top_ups(),
        accounts=list_accounts_for_operators(now=clock.now(), search=wanted, offset=offset),
        wanted=wanted,
        payers=list_payers(),
        sellers=list_sellers(),
        modes=PaymentMode.choices,
    )


@require_POST
@operator_page("credit")
def top_up(page: OperatorPage) -> HttpResponse:
    """Record a transfer from the bank statement."""
    posted = page.request.POST
    now = clock.now()
    payment = read_transfer(
        paid_won=parse_won(posted.get("paid", "")),
        currency=posted.get("currency", ""),
        reference=posted.get("reference", ""),
        received_at=_midnight(posted.get("received_on", "")) or now,
    )
    recorded = record_top_up(
        actor=page.actor,
        billing_profile_id=page.read_id(prefix="bil", text=posted.get("payer", "")),
        seller_id=page.read_id(prefix="sel", text=posted.get("seller", "")),
        payment=payment,
        expires_at=_midnight(posted.get("expires_on", "")),
        reason=page.read_reason(),
        now=now,
    )
    message = _("The top-up is booked.") if recorded.booked_at else _("The top-up waits for a second operator.")
    return page.done(message, to="console:credit")


@require_POST
@operator_page("credit")
def decide(page: OperatorPage, top_up_id: str) -> HttpResponse:
    """The second person books or declines."""
    accept = page.request.POST.get("decision") == "accept"
    wanted = page.read_id(prefix="top", text=top_up_id)
    decide_top_up(actor=page.actor, top_up_id=wanted, accept=accept, reason=page.read_reason(), now=clock.now())
    return page.done(_("The top-up is booked.") if accept else _("The top-up is declined."), to="console:credit")


@require_POST
@operator_page("credit")
def payment_mode(page: OperatorPage) -> HttpResponse:
    """Whether a payer pays ahead."""
    mode = page.request.POST.get("mode", "")
    if mode not in PaymentMode.values:
        raise ValidationFailed(reason=_("Choose a way of paying."), pointer="/mode")
    payer = page.read_id(prefix="bil", text=page.request.POST.get("payer", ""))
    set_payment_mode(
        actor=page.actor, billing_profile_id=payer, mode=PaymentMode(mode), reason=page.read_reason(), now=clock.now()
    )
    return page.done(_("The way of paying is set."), to="console:credit")


@require_GET
@operator_page("ledger")
def ledger(page: OperatorPage) -> HttpResponse:
    """Balances and transactions of one tenant or all; `check=1` re-adds everything now."""
    text = page.request.GET.get("tenant", "")
    tenant_id: UUID | None = page.read_id(prefix="ten", text=text) if text else None
    is_checked = page.request.GET.get("check") == "1"
    return page.render(
        "ledger.html",
        title=_("Ledger"),
        balances=list_named_balances(tenant_id=tenant_id),
        transactions=list_transactions(tenant_id=tenant_id)[:TRANSACTIONS_SHOWN_MAX],
        tenant_id=tenant_id,
        is_checked=is_checked,
        difference=find_difference() if is_checked else None,
    )


def _midnight(text: str) -> datetime | None:
    """The first instant of a day in Seoul; None when nothing is given."""
    return begin_of(parse_day(text=text, pointer="/date")) if text else None

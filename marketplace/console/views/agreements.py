"""Commitments and discounts: what is agreed with whom, and the forms that sign another."""

from datetime import date

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from billing.agreements import CommitmentDraft, DiscountDraft, grant_discount, sign_commitment
from billing.agreements.reading import list_agreements
from billing.agreements.signing import AgreementInvalid
from billing.credit.reading import list_payers
from billing.price_books.csv_file import micros, whole
from billing.rating import SHAPES, Unit
from marketplace.console.page import OperatorPage, operator_page
from marketplace.inventory.models import Offer
from marketplace.kernel import clock
from marketplace.kernel.days import begin_of, parse_day


@require_GET
@operator_page("agreements")
def agreements(page: OperatorPage) -> HttpResponse:
    """Everything agreed, the newest first, and two forms."""
    return page.render(
        "agreements.html",
        title=_("Commitments and discounts"),
        agreed=list_agreements(tenant_id=None, now=clock.now()),
        payers=list_payers(),
        offers=Offer.objects.order_by("code"),
        shapes=list(SHAPES),
    )


@require_POST
@operator_page("agreements")
def sign(page: OperatorPage) -> HttpResponse:
    """Commit a number of devices or servers for a term."""
    posted = page.request.POST
    unit_devices = _whole(posted.get("unit_devices", "1"), "/unit_devices")
    draft = CommitmentDraft(
        billing_profile_id=page.read_id(prefix="bil", text=posted.get("payer", "")),
        offer_id=page.read_id(prefix="off", text=posted.get("offer", "")),
        units=_whole(posted.get("units", ""), "/units"),
        unit=Unit.SERVER.value if unit_devices > 1 else Unit.DEVICE.value,
        unit_devices=unit_devices,
        shape=posted.get("shape", ""),
        price_micros=_micros(posted.get("price", "")),
        started_at=begin_of(parse_day(text=posted.get("from", ""), pointer="/from")),
        ended_at=begin_of(parse_day(text=posted.get("until", ""), pointer="/until")),
        reference=posted.get("reference", "")[:80].strip(),
    )
    sign_commitment(actor=page.actor, draft=draft, reason=page.read_reason(), now=clock.now())
    return page.done(_("The commitment is signed."), to="console:agreements")


@require_POST
@operator_page("agreements")
def grant(page: OperatorPage) -> HttpResponse:
    """Grant a discount for whole months."""
    posted = page.request.POST
    offer, cap = posted.get("offer", ""), posted.get("cap", "").strip()
    draft = DiscountDraft(
        billing_profile_id=page.read_id(prefix="bil", text=posted.get("payer", "")),
        offer_id=page.read_id(prefix="off", text=offer) if offer else None,
        basis_points=_basis_points(posted.get("percent", "")),
        first_month=_month(posted.get("first_month", ""), "/first_month"),
        last_month=_month(posted.get("last_month", ""), "/last_month"),
        cap_won=_whole(cap, "/cap") if cap else None,
        reference=posted.get("reference", "")[:80].strip(),
    )
    grant_discount(actor=page.actor, draft=draft, reason=page.read_reason(), now=clock.now())
    return page.done(_("The discount is granted."), to="console:agreements")


def _whole(text: str, pointer: str) -> int:
    try:
        return whole(text.strip())
    except ValueError as error:
        raise AgreementInvalid(reason=_("Give a whole number, not negative."), pointer=pointer) from error


def _micros(text: str) -> int:
    try:
        return micros(text.strip())
    except ValueError as error:
        raise AgreementInvalid(reason=_("A price is won with at most six decimals."), pointer="/price") from error


def _basis_points(text: str) -> int:
    """Percent with at most two decimals."""
    found = _micros(text)
    points, rest = divmod(found, 10_000)
    if rest:
        raise AgreementInvalid(reason=_("A discount has at most two decimals of a percent."), pointer="/percent")
    return points


def _month(text: str, pointer: str) -> date:
    return parse_day(text=f"{text}-01", pointer=pointer)

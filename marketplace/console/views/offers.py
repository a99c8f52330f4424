"""Offers: what is sold to whom, and the act that sells one by reservation only or to everyone again."""

from typing import Final

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from billing.prices import count_own_prices
from marketplace.console.page import OperatorPage, operator_page
from marketplace.console.views.stock_acts import Act, confirm
from marketplace.inventory.models import Offer, OfferAccess
from marketplace.inventory.operations import set_offer_access
from marketplace.kernel import clock
from marketplace.kernel.errors import NotFound

OFFERS_PER_PAGE: Final = 50


@require_GET
@operator_page("offers")
def offers(page: OperatorPage) -> HttpResponse:
    """Every offer with who may rent it."""
    offset = page.read_offset()
    rows = list(
        Offer.objects.select_related("accelerator", "site__provider").order_by("code")[
            offset : offset + OFFERS_PER_PAGE + 1
        ]
    )
    shown = rows[:OFFERS_PER_PAGE]
    own = count_own_prices(offer_ids=[row.id for row in shown], now=clock.now())
    return page.render(
        "offers.html",
        title=_("Offers"),
        items=[{"row": row, "own_prices": own.get(row.id, 0)} for row in shown],
        first=offset + 1,
        next_offset=offset + OFFERS_PER_PAGE if len(rows) > OFFERS_PER_PAGE else None,
    )


@require_http_methods(["GET", "POST"])
@operator_page("offers")
def access_act(page: OperatorPage, offer_id: str) -> HttpResponse:
    """Sell by reservation only, or to everyone again."""
    row = Offer.objects.filter(id=page.read_id(prefix="off", text=offer_id)).first()
    if row is None:
        raise NotFound
    is_open = row.access == OfferAccess.OPEN
    wanted = OfferAccess.RESERVATION if is_open else OfferAccess.OPEN
    own = count_own_prices(offer_ids=[row.id], now=clock.now()).get(row.id, 0)
    facts = {"offer": row.code, "own": own}

    def perform(reason: str) -> str:
        set_offer_access(actor=page.actor, offer_id=row.id, access=wanted, reason=reason, now=clock.now())
        return _("%(offer)s is sold to: %(access)s.") % {**facts, "access": wanted.label}

    return confirm(
        page,
        Act(
            title=(_("Sell %(offer)s by reservation only") if is_open else _("Sell %(offer)s to everyone")) % facts,
            button=_("Sell by reservation only") if is_open else _("Sell to everyone"),
            consequences=[
                sentence % facts
                for sentence in (
                    [
                        _("Only organizations with a price of their own may rent it; there are %(own)s now."),
                        _("Everybody else sees it in the catalogue as sold by reservation only."),
                        _("What is rented or waits already keeps its terms."),
                    ]
                    if is_open
                    else [_("Whoever the rules permit may rent it again, at once.")]
                )
            ],
            perform=perform,
            back=reverse("console:offers"),
        ),
    )

"""The catalogue: what this project may rent, at what price, and why not."""

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from marketplace.journeys.quote import Quote, QuoteRequest, RequestTooLarge, quote
from marketplace.journeys.refusal_words import RefusalWords
from marketplace.journeys.rent import describe_refused_site
from marketplace.kernel import clock
from marketplace.portal.page import Page, member_page
from marketplace.tenants.models import Sector

DEVICES_MAX = 64


@require_GET
@member_page("catalogue")
def catalogue(page: Page) -> HttpResponse:
    """Every offer for a number of devices; the filters are in the URL."""
    devices = _devices(page)
    kind = page.request.GET.get("kind", "")
    found: Quote | None = None
    too_large: RequestTooLarge | None = None
    if page.project is not None:
        try:
            found = quote(
                actor=page.actor, request=QuoteRequest(project_id=page.project.id, devices=devices), now=clock.now()
            )
        except RequestTooLarge as error:
            too_large = error
    offers = [item for item in found.offers if not kind or item.priced.offer.accelerator.kind == kind] if found else []
    words = RefusalWords.read()
    refused = [
        {
            "priced": item.priced,
            "sentences": [
                words.explain(reason) for reason in describe_refused_site(item.priced, item.verdict)["reasons"]
            ],
        }
        for item in (found.refused if found else ())
        if not kind or item.priced.offer.accelerator.kind == kind
    ]
    return page.render(
        "catalogue.html",
        devices=devices,
        kind=kind,
        vat=_vat(page),
        data_classes=[words.data_class(code) for code in page.project.data_classes] if page.project else [],
        offers=offers,
        refused=refused,
        too_large=too_large,
    )


def _vat(page: Page) -> str:
    """`included` or `excluded`; public organizations see included first, since their ceilings include VAT."""
    wanted = page.request.GET.get("vat", "")
    if wanted in ("included", "excluded"):
        return wanted
    return "included" if page.tenant.sector == Sector.PUBLIC else "excluded"


def _devices(page: Page) -> int:
    text = page.request.GET.get("devices", "1")
    return min(DEVICES_MAX, max(1, int(text[:4]))) if text.isascii() and text.isdigit() else 1

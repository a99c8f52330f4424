"""The catalogue: what this project may rent, at what price, and why not."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from marketplace.inventory.models import Component
from marketplace.journeys.availability import explain_availability
from marketplace.journeys.outlook import instant_of
from marketplace.journeys.quote import Quote, QuotedOffer, QuoteRequest, RequestTooLarge, quote
from marketplace.journeys.refusal_words import RefusalWords
from marketplace.journeys.rent import describe_refused_site
from marketplace.journeys.version_filter import TEXT_CHARACTERS_MAX, VersionRangeInvalid
from marketplace.kernel import clock
from marketplace.kernel.errors import OndolError
from marketplace.portal.page import Page, member_page
from marketplace.scheduling.availability import Band
from marketplace.scheduling.versions import COMPONENTS
from marketplace.tenants.models import Sector

DEVICES_MAX = 64
BANDS: Final = {
    Band.NOW: _("Available now"),
    Band.QUEUE: _("Queue"),
    Band.RESERVATION: _("By reservation only"),
    Band.NONE: _("Not available"),
}
TONES: Final = {Band.NOW: "good", Band.QUEUE: "wait", Band.RESERVATION: "", Band.NONE: "bad"}
ICONS: Final = {
    Band.NOW: "circle-check", Band.QUEUE: "clock", Band.RESERVATION: "file-text", Band.NONE: "circle-x",
}  # fmt: skip


@require_GET
@member_page("catalogue")
def catalogue(page: Page) -> HttpResponse:
    """Every offer for a number of devices; the filters are in the URL."""
    devices = _devices(page)
    kind = page.request.GET.get("kind", "")
    found: Quote | None = None
    error: OndolError | None = None
    versions = read_versions(page.request.GET)
    if page.project is not None:
        try:
            found = quote(
                actor=page.actor,
                request=QuoteRequest(project_id=page.project.id, devices=devices, versions=versions),
                now=clock.now(),
            )
        except (RequestTooLarge, VersionRangeInvalid) as refused_filter:
            error = refused_filter
    offers = [
        describe_offer(item)
        for item in (found.offers if found else ())
        if not kind or item.priced.offer.accelerator.kind == kind
    ]
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
        error=error,
        versions=versions,
        components=describe_components(versions),
        version_query=urlencode({name: text for name, text in versions.items() if text}),
    )


def describe_offer(item: QuotedOffer) -> dict[str, Any]:
    """An offer with its band in words, and when it would start as instants."""
    found = item.availability
    return {
        "item": item,
        "label": BANDS[found.band],
        "tone": TONES[found.band],
        "icon": ICONS[found.band],
        "words": explain_availability(found, devices=item.devices, nodes=item.nodes),
        "probable": instant_of(found.start.p50_s) if found.start else None,
        "cautious": instant_of(found.start.p90_s) if found.start else None,
        "may_rent": found.band in (Band.NOW, Band.QUEUE),
    }


def read_versions(given: Mapping[str, str]) -> dict[str, str]:
    """The ranges in a URL or form, as typed."""
    return {name: given.get(name, "").strip()[:TEXT_CHARACTERS_MAX] for name in COMPONENTS}


def describe_components(versions: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Field name, label and what was typed."""
    return [(name, str(Component(name).label), versions.get(name, "")) for name in COMPONENTS]


def _vat(page: Page) -> str:
    """`included` or `excluded`; public organizations see included first, since their ceilings include VAT."""
    wanted = page.request.GET.get("vat", "")
    if wanted in ("included", "excluded"):
        return wanted
    return "included" if page.tenant.sector == Sector.PUBLIC else "excluded"


def _devices(page: Page) -> int:
    text = page.request.GET.get("devices", "1")
    return min(DEVICES_MAX, max(1, int(text[:4]))) if text.isascii() and text.isdigit() else 1

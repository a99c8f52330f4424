"""What is on sale: accelerators, sites, offers and quotes."""

from typing import Any, Final

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.rating import Plan
from billing.rating.monthly import HOURS_PER_MONTH
from billing.rating.preview import Amount
from marketplace.api.pagination import whole
from marketplace.api.parsing import (
    BoundedListField,
    PublicIdField,
    StrictInteger,
    StrictSerializer,
    VersionsField,
    check_query,
    parse_body,
    path_id,
)
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.v1.agreements import render_commitment, render_discount
from marketplace.api.views import ResourceView
from marketplace.inventory.models import Accelerator, Offer, Site
from marketplace.inventory.queries import list_accelerators, list_offers_on_sale, list_sites
from marketplace.journeys.availability import explain_availability
from marketplace.journeys.browse import Browsed, BrowsedOffer, BrowseRequest, browse
from marketplace.journeys.outlook import instant_of
from marketplace.journeys.quote import Quote, QuotedOffer, QuotedPlan, QuoteRequest, quote
from marketplace.journeys.rent import describe_refused_site
from marketplace.kernel import clock
from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.money import CURRENCY, won_text_from_micros
from marketplace.scheduling.availability import Availability
from marketplace.scheduling.versions import COMPONENTS

SIZE_MAX: Final = 64


class QuoteBody(StrictSerializer):
    """What is asked about."""

    project = PublicIdField(prefix="prj")
    accelerators = BoundedListField(child=serializers.CharField(max_length=60), max_length=20, default=list)
    devices = StrictInteger(min_value=1, max_value=64)
    nodes = StrictInteger(min_value=1, max_value=64, default=1)
    offers = BoundedListField(child=PublicIdField(prefix="off"), max_length=50, default=list)
    max_duration_s = StrictInteger(min_value=60, max_value=31_622_400, required=False, allow_null=True)
    plan = serializers.ChoiceField(choices=[plan.value for plan in Plan], default=Plan.ON_DEMAND.value)
    versions = VersionsField()
    hours = StrictInteger(
        min_value=1, max_value=8_784, default=HOURS_PER_MONTH, help_text="What `estimate` is for; 730 are a month."
    )


class AcceleratorsView(ResourceView):
    """The catalogue."""

    @extend_schema(operation_id="list_accelerators", summary="List the accelerator catalogue", responses=problems(dict))
    def get(self, request: Request) -> Response:
        """Every accelerator, by vendor."""
        check_query(request, ())
        return self.reading(
            request, "offers.read", lambda _actor: whole([_accelerator(row) for row in list_accelerators()])
        )


class SitesView(ResourceView):
    """Sites."""

    @extend_schema(operation_id="list_sites", summary="List sites with zone and jurisdiction", responses=problems(dict))
    def get(self, request: Request) -> Response:
        """Every site, by code."""
        check_query(request, ())
        return self.reading(request, "offers.read", lambda _actor: whole([_site(row) for row in list_sites()]))


class OffersView(ResourceView):
    """Offers."""

    @extend_schema(
        operation_id="list_offers",
        summary="List offers on sale, for a project with availability and why not",
        parameters=[
            OpenApiParameter("project", str, description="Adds price, permission and availability as they are for it."),
            OpenApiParameter("devices", int, description="On each node, 1 to 64; default 1. Only with project."),
            OpenApiParameter("nodes", int, description="1 to 64; default 1. Only with project."),
            *(
                OpenApiParameter(
                    name, str, description=f"Range of the {name} version, e.g. >=580,<590. Only with project."
                )
                for name in COMPONENTS
            ),
        ],
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """Every offer on sale, by code. What `project` adds is at most a second old; renting looks again."""
        check_query(request, ("project", "devices", "nodes", *COMPONENTS))
        given = request.query_params
        if "project" not in given:
            check_query(request, ())
            return self.reading(
                request, "offers.read", lambda _actor: whole([render_offer(row) for row in list_offers_on_sale()])
            )
        asked = BrowseRequest(
            project_id=path_id("prj", given["project"]),
            devices=_number(given.get("devices", "1"), name="devices"),
            nodes=_number(given.get("nodes", "1"), name="nodes"),
            versions={name: given[name] for name in COMPONENTS if name in given},
        )
        return self.reading(
            request, "offers.read", lambda actor: _browsed(browse(actor=actor, request=asked, now=clock.now()))
        )


class QuotesView(ResourceView):
    """Quotes."""

    @extend_schema(
        operation_id="create_quote",
        summary="Price every permitted offer, and say which are refused by which rule",
        request=QuoteBody,
        responses=problems(dict),
    )
    def post(self, request: Request) -> Response:
        """A quote writes nothing; it may be repeated."""
        check_query(request, ())
        body = parse_body(request, QuoteBody)
        asked = QuoteRequest(
            project_id=body["project"],
            devices=body["devices"],
            nodes=body["nodes"],
            accelerators=body["accelerators"],
            offer_ids=body["offers"],
            max_duration_s=body.get("max_duration_s"),
            plan=body["plan"],
            hours=body["hours"],
            versions=body["versions"],
        )
        return self.reading(
            request, "offers.read", lambda actor: _quote(quote(actor=actor, request=asked, now=clock.now()))
        )


def _number(text: str, *, name: str) -> int:
    """From 1 to 64.

    Raises:
        ValidationFailed: Not such a number.
    """
    if text.isascii() and text.isdigit() and len(text) <= 2 and 1 <= int(text) <= SIZE_MAX:
        return int(text)
    raise ValidationFailed(reason=_("%(name)s is a whole number from 1 to 64.") % {"name": name}, pointer=f"?{name}")


def _browsed(found: Browsed) -> dict[str, Any]:
    return {
        **whole([_browsed_offer(item) for item in found.offers]),
        "seen_at": instant(found.seen_at),
        "vat": "excluded",
        "currency": CURRENCY,
    }


def _browsed_offer(item: BrowsedOffer) -> dict[str, Any]:
    refused = None if item.verdict.is_permitted else describe_refused_site(item.priced, item.verdict)
    return {
        **render_offer(item.priced.offer),
        "price_version": public("prc", item.priced.price_version_id),
        "price_per_device_hour": won_text_from_micros(item.priced.price_micros_per_device_hour),
        "permission": "permitted" if refused is None else "refused",
        "refusals": [] if refused is None else refused["reasons"],
        **render_availability(item.availability, devices=item.devices, nodes=item.nodes),
    }


def _accelerator(row: Accelerator) -> dict[str, Any]:
    return {
        "id": public("acc", row.id),
        "code": row.code,
        "vendor": row.vendor,
        "model": row.model,
        "kind": row.kind,
        "memory_mib": row.memory_mib,
        "isolation_class": row.isolation_class,
        "devices_per_node_max": row.devices_per_node_max,
    }


def _site(row: Site) -> dict[str, Any]:
    return {
        "id": public("sit", row.id),
        "code": row.code,
        "name": {"ko": row.name_ko, "en": row.name_en},
        "provider": row.provider.code,
        "jurisdiction": row.jurisdiction,
        "zone": row.zone,
        "network_separation": "separated" if row.is_network_separated else "none",
    }


def render_offer(row: Offer) -> dict[str, Any]:
    """An offer without what depends on a project."""
    return {
        "id": public("off", row.id),
        "code": row.code,
        "accelerator": row.accelerator.code,
        "site": row.site.code,
        "provider": row.site.provider.code,
        "cpu_millis_per_device": row.cpu_millis_per_device,
        "memory_mib_per_device": row.memory_mib_per_device,
        "devices_max": row.devices_max,
        "status": row.status,
        "access": row.access,
    }


def render_availability(found: Availability, *, devices: int, nodes: int) -> dict[str, Any]:
    """The band; why not now and what helps; when, or honestly null."""
    words = explain_availability(found, devices=devices, nodes=nodes)
    return {
        "availability": found.band.value,
        "wait_reason": found.wait_reason.value if found.wait_reason else None,
        "wait_message": words.message,
        "wait_remedy": words.remedy,
        "start_estimate": None
        if found.start is None
        else {"p50": instant(instant_of(found.start.p50_s)), "p90": instant(instant_of(found.start.p90_s))},
    }


def _quote(found: Quote) -> dict[str, Any]:
    return {
        "quoted_at": instant(found.quoted_at),
        "vat_shown": "included" if found.is_vat_included else "excluded",
        "offers": [_quoted(item) for item in found.offers],
        "refused": [describe_refused_site(item.priced, item.verdict) for item in found.refused],
    }


def _plan(item: QuotedPlan) -> dict[str, Any]:
    price, preview = item.price, item.preview
    return {
        "plan": price.plan,
        "price_version": public("prc", price.price_version_id),
        "shape": price.shape,
        "unit": price.unit,
        "unit_devices": price.unit_devices,
        "price": won_text_from_micros(price.price_micros),
        "held_price_per_hour": (
            None if price.held_price_micros is None else won_text_from_micros(price.held_price_micros)
        ),
        "minimum_s": price.minimum_s,
        "minimum_charge": str(price.minimum_won),
        "hour": _amount(preview.hour),
        "month": {**_amount(preview.month), "basis": "fixed" if preview.is_month_fixed else "730_hours"},
        "estimate": {**_amount(preview.estimate), "hours": preview.hours},
        "credit_lasts_s": item.lasts.credit_s,
        "budget_lasts_s": item.lasts.budget_s,
        "currency": CURRENCY,
    }


def _amount(amount: Amount) -> dict[str, str]:
    return {
        "supply_value": str(amount.supply_won),
        "vat": str(amount.vat_won),
        "total": str(amount.total_won),
    }


def _quoted(item: QuotedOffer) -> dict[str, Any]:
    priced = item.priced
    return {
        **render_offer(priced.offer),
        "price_version": public("prc", priced.price_version_id),
        "price_per_device_hour": won_text_from_micros(priced.price_micros_per_device_hour),
        "price_per_hour": won_text_from_micros(item.price_micros_per_hour),
        "price_per_server_hour": won_text_from_micros(item.price_micros_per_server_hour),
        "plans": [_plan(plan) for plan in item.plans],
        "commitments": [render_commitment(row) for row in item.agreed.commitments],
        "discounts": [render_discount(row) for row in item.agreed.discounts],
        "currency": CURRENCY,
        "vat": "excluded",
        "seller": priced.selling_term.seller.legal_name,
        "selling_mode": priced.selling_term.mode,
        **render_availability(item.availability, devices=item.devices, nodes=item.nodes),
        "certificates": [
            {"scheme": certificate.scheme, "level": certificate.level, "valid_to": instant(certificate.valid_to)}
            for certificate in item.verdict.relied_on
        ],
    }

"""What may this project rent, at what price, and what may it not, and why? Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from billing.agreements.reading import AgreedForOffer, list_agreed_for
from billing.forecast import Lasts, Means, forecast, read_means
from billing.rating import AgreedPrice, Plan
from billing.rating.monthly import HOURS_PER_MONTH
from billing.rating.preview import Preview, preview
from marketplace.inventory.queries import count_nodes_of_largest_cluster
from marketplace.journeys.availability import Asked, open_market
from marketplace.journeys.market_view import MarketView, PricedOffer, read_market_facts, view_market
from marketplace.journeys.version_filter import read_version_filter
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import ValidationFailed
from marketplace.scheduling.availability import BY_RESERVATION, Availability
from marketplace.sovereignty.rules import Verdict, needs_dedicated_node
from marketplace.tenants.access import get_project, require_permission
from marketplace.tenants.models import Project, Sector


class AcceleratorUnknown(ValidationFailed):
    """The catalogue has no accelerator of this code."""

    code = "accelerator_unknown"
    remedy = _("Choose a code from GET /api/v1/accelerators.")


class RequestTooLarge(ValidationFailed):
    """No offer lets one instance have so many devices."""

    code = "request_too_large"
    remedy = _("Ask for fewer devices, or for several instances.")


class GangTooLarge(ValidationFailed):
    """No cluster has so many nodes of the size."""

    code = "gang_too_large"
    remedy = _("Ask for fewer nodes, for fewer devices on each, or for other accelerators.")


class WholeServersOnly(ValidationFailed):
    """A price per server does not buy a part of one."""

    code = "whole_servers_only"
    remedy = _("Ask for a multiple of the server's devices, or choose an offer that is sold by the device.")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRequest:
    """What is asked about.

    Attributes:
        devices: On each node.
        nodes: More than 1 is a gang in one cluster.
        accelerators: Codes that would do; empty = any.
        plan: How capacity would be bought; the others are shown beside it.
        hours: What the estimate is for.
        versions: Ranges that a node's driver, firmware and runtime must lie in, by component.
    """

    project_id: UUID
    devices: int
    nodes: int = 1
    accelerators: Sequence[str] = ()
    offer_ids: Sequence[UUID] = ()
    max_duration_s: int | None = None
    plan: str = Plan.ON_DEMAND.value
    hours: int = HOURS_PER_MONTH
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedPlan:
    """One way to buy an offer, what it would come to, and how long credit and budgets would last."""

    price: AgreedPrice
    preview: Preview
    lasts: Lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedOffer:
    """A permitted offer: its price, and how soon it could start (decided by the code that places).

    Attributes:
        agreed: The payer's commitments and discounts in force for it; prices and estimates are without them.
    """

    priced: PricedOffer
    verdict: Verdict
    devices: int
    nodes: int
    availability: Availability
    plans: tuple[QuotedPlan, ...]
    agreed: AgreedForOffer

    @property
    def price_micros_per_server_hour(self) -> int:
        """For as many devices as one instance may have on a node."""
        return self.priced.price_micros_per_device_hour * self.priced.offer.devices_max

    @property
    def preview(self) -> Preview:
        """Of the plan asked about."""
        return next(item.preview for item in self.plans if item.price == self.priced.price)

    @property
    def price_micros_per_hour(self) -> int:
        """For all devices asked for, per hour, VAT apart."""
        return self.priced.price_micros_per_device_hour * self.devices * self.nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedOffer:
    """An offer that the rules refuse, with every reason."""

    priced: PricedOffer
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Permitted offers, cheapest first, those sold by reservation among them; and refused ones."""

    offers: tuple[QuotedOffer, ...]
    refused: tuple[RefusedOffer, ...]
    quoted_at: datetime
    is_vat_included: bool


def quote(*, actor: Actor, request: QuoteRequest, now: datetime) -> Quote:
    """List every permitted offer with its price, and the refused ones with the rule.

    Raises:
        NotFound: The project is not the actor's.
        Forbidden: The actor may not read offers.
        VersionRangeInvalid: A range that cannot be read.
        AcceleratorUnknown, RequestTooLarge, GangTooLarge: Nothing on sale could ever match.
    """
    require_permission(actor=actor, permission="offers.read")
    versions = read_version_filter(request.versions)
    project = get_project(actor=actor, project_id=request.project_id)
    view = view_matching_market(
        project=project,
        devices=request.devices,
        nodes=request.nodes,
        accelerators=request.accelerators,
        offer_ids=request.offer_ids,
        max_duration_s=request.max_duration_s,
        plan=request.plan,
        now=now,
    )
    means = read_means(actor=actor, project=project, now=now)
    agreed = list_agreed_for(billing_profile_id=project.billing_profile_id, now=now)
    market = open_market(
        asked=Asked(
            tenant_id=project.tenant_id,
            sector=project.tenant.sector,
            devices=request.devices,
            nodes=request.nodes,
            versions=versions,
            max_duration_s=request.max_duration_s,
            needs_dedicated_node=needs_dedicated_node(view.requirements),
        ),
        now=now,
    )
    found = [(item, market.find(item[0].offer)) for item in view.permitted]
    found += [(item, BY_RESERVATION) for item in view.reserved]
    found.sort(key=lambda item: (item[0][0].price_micros_per_device_hour, item[0][0].offer.code))
    return Quote(
        offers=tuple(
            QuotedOffer(
                priced=priced,
                verdict=verdict,
                devices=request.devices,
                nodes=request.nodes,
                availability=availability,
                plans=_preview_plans(priced, request, means, now),
                agreed=agreed.of_offer(priced.offer.id),
            )
            for (priced, verdict), availability in found
        ),
        refused=tuple(RefusedOffer(priced=priced, verdict=verdict) for priced, verdict in view.refused),
        quoted_at=now,
        is_vat_included=shows_vat(project.tenant.sector),
    )


def shows_vat(sector: str) -> bool:
    """Whether prices are shown with VAT unless asked otherwise: public bodies' ceilings include it (korea.md)."""
    return sector == Sector.PUBLIC


def _preview_plans(priced: PricedOffer, asked: QuoteRequest, means: Means, now: datetime) -> tuple[QuotedPlan, ...]:
    """Every plan that sells so many devices, the one asked about first, then the cheapest month."""
    devices, seller_id = asked.devices * asked.nodes, priced.selling_term.seller_id
    found = [
        QuotedPlan(
            price=price,
            preview=preview(price=price, devices=devices, hours=asked.hours, now=now),
            lasts=forecast(means=means, price=price, devices=devices, seller_id=seller_id, now=now),
        )
        for price in priced.plans.values()
        if asked.devices % price.unit_devices == 0
    ]
    return tuple(sorted(found, key=lambda item: (item.price != priced.price, item.preview.month.supply_won)))


def view_matching_market(
    *,
    project: Project,
    devices: int,
    nodes: int = 1,
    accelerators: Sequence[str],
    offer_ids: Sequence[UUID],
    max_duration_s: int | None,
    now: datetime,
    image: str | None = None,
    plan: str = Plan.ON_DEMAND.value,
) -> MarketView:
    """The market for a request, without offers that are too small for it.

    Raises:
        AcceleratorUnknown: A code that the catalogue does not have.
        RequestTooLarge: Every matching offer gives one instance fewer devices; or nothing matching is on sale.
        GangTooLarge: No cluster has so many nodes of the size; a single node is never looked for.
        WholeServersOnly: What would do is sold by the server, and the devices are no whole number of servers.
    """
    facts = read_market_facts()
    unknown = [code for code in accelerators if code not in facts.accelerators]
    if unknown:
        raise AcceleratorUnknown(
            reason=_("There is no accelerator %(code)s.") % {"code": unknown[0]},
            pointer="/accelerators",
            facts={"code": unknown[0]},
        )
    view = view_market(
        facts=facts,
        project=project,
        image=image,
        accelerators=accelerators,
        offer_ids=offer_ids,
        max_duration_s=max_duration_s,
        plan=plan,
        now=now,
    )
    everything = (*view.permitted, *view.reserved, *view.refused)
    if not everything:
        raise ValidationFailed(reason=_("Nothing on sale matches the request."), pointer="/accelerators")
    largest = max(priced.offer.devices_max for priced, _verdict in everything)
    if devices > largest:
        reason = _("%(requested)s devices were asked for; one instance can have at most %(largest)s.")
        raise RequestTooLarge(reason=reason % {"requested": devices, "largest": largest}, pointer="/devices")
    permitted = tuple(item for item in view.permitted if item[0].offer.devices_max >= devices)
    permitted = _require_whole_units(permitted, devices=devices)
    if nodes > 1 and permitted:
        _require_pool(offer_ids=[priced.offer.id for priced, _verdict in permitted], devices=devices, nodes=nodes)
    return MarketView(
        permitted=permitted,
        refused=view.refused,
        requirements=view.requirements,
        reserved=tuple(item for item in view.reserved if item[0].offer.devices_max >= devices),
    )


def _require_whole_units(
    permitted: tuple[tuple[PricedOffer, Verdict], ...], *, devices: int
) -> tuple[tuple[PricedOffer, Verdict], ...]:
    fitting = tuple(item for item in permitted if devices % item[0].price.unit_devices == 0)
    if permitted and not fitting:
        smallest = min(priced.price.unit_devices for priced, _verdict in permitted)
        raise WholeServersOnly(
            reason=_("This is sold by whole servers of %(size)s devices.") % {"size": smallest},
            pointer="/devices",
            facts={"size": smallest},
        )
    return fitting


def _require_pool(*, offer_ids: Sequence[UUID], devices: int, nodes: int) -> None:
    largest = count_nodes_of_largest_cluster(offer_ids=offer_ids, devices=devices)
    if nodes > largest:
        reason = _(
            "%(requested)s nodes with %(devices)s devices each were asked for; no cluster has more than %(largest)s."
        )
        facts = {"requested": nodes, "devices": devices, "largest": largest}
        raise GangTooLarge(reason=reason % facts, pointer="/nodes", facts=facts)

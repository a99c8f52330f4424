"""The catalogue for a project: every offer on sale with its price, its band and, where the rules refuse it, why. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from marketplace.journeys.availability import Asked, Market, open_market
from marketplace.journeys.market_view import PricedOffer, read_market_facts, view_market
from marketplace.journeys.version_filter import read_version_filter
from marketplace.kernel.actors import Actor
from marketplace.scheduling.availability import BY_RESERVATION, Availability, Band
from marketplace.scheduling.stock import Rejection
from marketplace.scheduling.waiting import Rejected, WaitReason
from marketplace.sovereignty.rules import Verdict, needs_dedicated_node
from marketplace.tenants.access import get_project, require_permission

REFUSED: Final = Availability(band=Band.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseRequest:
    """What is asked about.

    Attributes:
        devices: On each node.
        versions: Ranges by component.
    """

    project_id: UUID
    devices: int = 1
    nodes: int = 1
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowsedOffer:
    """An offer as it is for the project; one that the rules refuse is available in no band."""

    priced: PricedOffer
    verdict: Verdict
    availability: Availability
    devices: int
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Browsed:
    """Offers by code."""

    offers: tuple[BrowsedOffer, ...]
    seen_at: datetime


def browse(*, actor: Actor, request: BrowseRequest, now: datetime) -> Browsed:
    """Every offer on sale, whatever its size; a constant number of queries.

    Raises:
        NotFound: The project is not the actor's.
        Forbidden: The actor may not read offers.
        VersionRangeInvalid: A range that cannot be read.
    """
    require_permission(actor=actor, permission="offers.read")
    versions = read_version_filter(request.versions)
    project = get_project(actor=actor, project_id=request.project_id)
    view = view_market(facts=read_market_facts(), project=project, image=None, max_duration_s=None, now=now)
    market = open_market(
        asked=Asked(
            tenant_id=project.tenant_id,
            sector=project.tenant.sector,
            devices=request.devices,
            nodes=request.nodes,
            versions=versions,
            needs_dedicated_node=needs_dedicated_node(view.requirements),
        ),
        now=now,
    )
    found = [
        *((item, _find(market, item[0], devices=request.devices)) for item in view.permitted),
        *((item, BY_RESERVATION) for item in view.reserved),
        *((item, REFUSED) for item in view.refused),
    ]
    found.sort(key=lambda item: item[0][0].offer.code)
    return Browsed(
        offers=tuple(
            BrowsedOffer(
                priced=priced, verdict=verdict, availability=availability, devices=request.devices, nodes=request.nodes
            )
            for (priced, verdict), availability in found
        ),
        seen_at=now,
    )


def _find(market: Market, priced: PricedOffer, *, devices: int) -> Availability:
    """An offer that gives one instance fewer devices is too small whatever its nodes have."""
    offer = priced.offer
    if devices <= offer.devices_max:
        return market.find(offer)
    too_large = Rejected(
        site=offer.site.code, accelerator=offer.accelerator.code, rejection=Rejection.REQUEST_TOO_LARGE, nodes=(),
        node_count=0, facts={"requested": devices, "free": offer.devices_max},
    )  # fmt: skip
    return Availability(band=Band.NONE, wait_reason=WaitReason.REQUEST_TOO_LARGE, rejected=(too_large,))

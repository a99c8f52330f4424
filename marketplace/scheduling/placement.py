"""Where does an instance go? One pure function over plain data that also says why every other place was not taken.

Order of preference: the lowest agreed price; then the smallest hole that fits, so that whole nodes stay whole for requests
that need them; then the site's and the node's name, so that the same input always gives the same answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class Rejection(StrEnum):
    """Why a candidate was not taken; `site_not_permitted` carries the sovereignty rules' own refusals beside it."""

    SITE_NOT_PERMITTED = "site_not_permitted"
    NO_TERMS = "no_terms_agreed"
    PRICE_TOO_HIGH = "price_too_high"
    CLUSTER_SILENT = "cluster_silent"
    CLUSTER_DRAINING = "cluster_draining"
    NODE_NOT_READY = "node_not_ready"
    NODE_CORDONED = "node_cordoned"
    REQUEST_TOO_LARGE = "request_larger_than_node"
    NOT_ENOUGH_DEVICES = "not_enough_devices"
    NOT_ENOUGH_CPU = "not_enough_cpu"
    NOT_ENOUGH_MEMORY = "not_enough_memory"
    WORSE_FIT = "worse_fit"


class WaitReason(StrEnum):
    """Why an instance waits: the machine-readable token of its condition CapacityAllocated."""

    WAITING_FOR_CAPACITY = "WaitingForCapacity"
    NO_CERTIFIED_SITE = "NoCertifiedSite"
    CERTIFICATION_EXPIRES_TOO_SOON = "CertificationExpiresTooSoon"
    INVENTORY_STALE = "InventoryStale"
    SITE_UNDER_MAINTENANCE = "SiteUnderMaintenance"
    PRICE_ABOVE_LIMIT = "PriceAboveLimit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Devices of one accelerator on one node, with the offer that sells them there.

    Attributes:
        free_devices: Observed allocatable − foreign requests − allocated; never negative.
        is_cluster_fresh: Whether the cluster answered recently enough for its stock to be sold.
    """

    stock_id: UUID
    node_id: UUID
    node: str
    cluster_id: UUID
    cluster: str
    site_id: UUID
    site: str
    accelerator: str
    offer_id: UUID
    capacity_devices: int
    free_devices: int
    free_cpu_millis: int
    free_memory_mib: int
    is_cluster_fresh: bool = True
    is_cluster_active: bool = True
    is_node_ready: bool = True
    is_node_schedulable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed for one offer at rent."""

    offer_id: UUID
    term_id: UUID
    price_micros_per_device_hour: int
    cpu_millis_per_device: int
    memory_mib_per_device: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What has to be placed.

    Attributes:
        terms: Agreed terms by offer.
        forbidden: For each (site, accelerator) the rules refuse now: the tokens of their refusals.
        max_price_micros: Highest acceptable price per device-hour; None = any agreed one.
    """

    instance_id: UUID
    devices: int
    terms: Mapping[UUID, Terms]
    forbidden: Mapping[tuple[UUID, str], tuple[str, ...]] = field(default_factory=dict)
    max_price_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One candidate that was not taken, and the numbers behind it."""

    stock: Stock
    rejection: Rejection
    facts: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The taken place and its terms."""

    stock: Stock
    terms: Terms
    devices: int
    cpu_millis: int
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The answer: a placement, or the reason to wait; and every candidate that was not taken, in input order."""

    placement: Placement | None
    wait_reason: WaitReason | None
    rejected: tuple[Rejected, ...]


def choose(*, request: Request, stocks: Sequence[Stock]) -> Choice:
    """Place one request, or say why it must wait.

    Deterministic; takes nothing: the caller takes the devices by a conditional update and asks again when that fails.
    """
    rejected: list[Rejected] = []
    fitting: list[tuple[tuple[int, int, str, str], Stock]] = []
    for stock in stocks:
        problem = _reject(request, stock)
        if problem is not None:
            rejected.append(problem)
        else:
            price = request.terms[stock.offer_id].price_micros_per_device_hour
            fitting.append(((price, stock.free_devices - request.devices, stock.site, stock.node), stock))
    if not fitting:
        return Choice(placement=None, wait_reason=_wait_reason(rejected), rejected=tuple(rejected))
    fitting.sort(key=lambda item: item[0])
    best = fitting[0][1]
    rejected.extend(
        Rejected(
            stock=stock, rejection=Rejection.WORSE_FIT, facts={"price_micros": rank[0], "left_over_devices": rank[1]}
        )
        for rank, stock in fitting[1:]
    )
    return Choice(placement=_place(request, best), wait_reason=None, rejected=tuple(rejected))


def _place(request: Request, stock: Stock) -> Placement:
    terms = request.terms[stock.offer_id]
    return Placement(
        stock=stock,
        terms=terms,
        devices=request.devices,
        cpu_millis=terms.cpu_millis_per_device * request.devices,
        memory_mib=terms.memory_mib_per_device * request.devices,
    )


def _reject(request: Request, stock: Stock) -> Rejected | None:
    """The first thing that speaks against a candidate: rules before terms, terms before health, health before capacity."""
    forbidden = request.forbidden.get((stock.site_id, stock.accelerator))
    if forbidden:
        return Rejected(stock=stock, rejection=Rejection.SITE_NOT_PERMITTED, facts={"rules": ", ".join(forbidden)})
    terms = request.terms.get(stock.offer_id)
    if terms is None:
        return Rejected(stock=stock, rejection=Rejection.NO_TERMS)
    price = terms.price_micros_per_device_hour
    if request.max_price_micros is not None and price > request.max_price_micros:
        facts: dict[str, int | str] = {"price_micros": price, "limit_micros": request.max_price_micros}
        return Rejected(stock=stock, rejection=Rejection.PRICE_TOO_HIGH, facts=facts)
    return _reject_health(stock) or _reject_capacity(request, stock, terms)


def _reject_health(stock: Stock) -> Rejected | None:
    checks = (
        (stock.is_cluster_active, Rejection.CLUSTER_DRAINING),
        (stock.is_cluster_fresh, Rejection.CLUSTER_SILENT),
        (stock.is_node_ready, Rejection.NODE_NOT_READY),
        (stock.is_node_schedulable, Rejection.NODE_CORDONED),
    )
    return next((Rejected(stock=stock, rejection=rejection) for is_fine, rejection in checks if not is_fine), None)


def _reject_capacity(request: Request, stock: Stock, terms: Terms) -> Rejected | None:
    if request.devices > stock.capacity_devices:
        facts: dict[str, int | str] = {"requested": request.devices, "capacity": stock.capacity_devices}
        return Rejected(stock=stock, rejection=Rejection.REQUEST_TOO_LARGE, facts=facts)
    checks = (
        (request.devices, stock.free_devices, Rejection.NOT_ENOUGH_DEVICES),
        (terms.cpu_millis_per_device * request.devices, stock.free_cpu_millis, Rejection.NOT_ENOUGH_CPU),
        (terms.memory_mib_per_device * request.devices, stock.free_memory_mib, Rejection.NOT_ENOUGH_MEMORY),
    )
    for requested, free, rejection in checks:
        if requested > free:
            return Rejected(stock=stock, rejection=rejection, facts={"requested": requested, "free": free})
    return None


_REASON_OF = {
    Rejection.SITE_NOT_PERMITTED: WaitReason.NO_CERTIFIED_SITE,
    Rejection.PRICE_TOO_HIGH: WaitReason.PRICE_ABOVE_LIMIT,
    Rejection.CLUSTER_SILENT: WaitReason.INVENTORY_STALE,
    Rejection.CLUSTER_DRAINING: WaitReason.SITE_UNDER_MAINTENANCE,
    Rejection.NODE_CORDONED: WaitReason.SITE_UNDER_MAINTENANCE,
}
_TELLING_ORDER = (
    WaitReason.WAITING_FOR_CAPACITY,
    WaitReason.INVENTORY_STALE,
    WaitReason.SITE_UNDER_MAINTENANCE,
    WaitReason.PRICE_ABOVE_LIMIT,
    WaitReason.NO_CERTIFIED_SITE,
)
"""Of several reasons the most hopeful one is told: what passes by itself before what needs somebody to act."""


def _wait_reason(rejected: Sequence[Rejected]) -> WaitReason:
    considered = [item for item in rejected if item.rejection is not Rejection.NO_TERMS]
    found = {_REASON_OF.get(item.rejection, WaitReason.WAITING_FOR_CAPACITY) for item in considered}
    return next((reason for reason in _TELLING_ORDER if reason in found), WaitReason.WAITING_FOR_CAPACITY)

"""Where does an instance go? One pure function over plain data that also says why every other place was not taken.

Order of preference: the lowest agreed price; then what `packing` says; then the site's and the node's name, so that the same input
always gives the same answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from marketplace.scheduling.packing import BestFit, Packing
from marketplace.scheduling.stock import Cell, Pool, Rejection, Remainder, Stock, StockView
from marketplace.scheduling.topology import pick_together
from marketplace.scheduling.versions import VersionRange
from marketplace.scheduling.waiting import Rejected, WaitReason, find_wait_reason

NODES_NAMED_MAX: Final = 64
"""A rejection names so many nodes and counts the rest: at 1,000 nodes a decision stays a few KiB."""


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
        devices: On each node.
        nodes: More than one is a gang: all of them in one cluster, or nothing.
        terms: Agreed terms by offer.
        forbidden: For each (site, accelerator) the rules refuse now: the tokens of their refusals.
        exhausted: For each accelerator of which the sector or the platform has no share left: the numbers.
        max_price_micros: Highest acceptable price per device-hour; None = any agreed one.
        ends_at_s: When it is over at the latest, in seconds of the pass's clock; None = endless, so it never overtakes
            a reservation.
        tenant_id: Whose request it is; None where nodes belong to nobody (traces).
        versions: Ranges that a node's versions must lie in, by component.
        needs_dedicated_node: Only nodes on which no other tenant has devices, and nobody else's afterwards.
        need: What one node must have left; None = `devices` with each offer's processors and memory per device.
    """

    instance_id: UUID
    devices: int
    nodes: int = 1
    terms: Mapping[UUID, Terms]
    forbidden: Mapping[tuple[UUID, str], tuple[str, ...]] = field(default_factory=dict)
    exhausted: Mapping[str, Mapping[str, int | str]] = field(default_factory=dict)
    max_price_micros: int | None = None
    ends_at_s: float | None = None
    need: Remainder | None = None
    tenant_id: UUID | None = None
    needs_dedicated_node: bool = False
    versions: tuple[tuple[str, VersionRange], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A taken place and its terms."""

    stock_id: UUID
    node_id: UUID
    node: str
    cluster_id: UUID
    cluster: str
    site: str
    accelerator: str
    terms: Terms
    need: Remainder


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The answer: one place per node asked for, or the reason to wait; and every pool that was not taken, with why.

    Attributes:
        placements: In order of rank; empty when it waits.
        rejected: Empty unless an explanation was asked for.
    """

    placements: tuple[Placement, ...]
    wait_reason: WaitReason | None
    rejected: tuple[Rejected, ...] = ()

    @property
    def placement(self) -> Placement | None:
        """The first place."""
        return self.placements[0] if self.placements else None


Rank = tuple[int | str, ...]


def choose(*, request: Request, view: StockView, packing: Packing | None = None, is_explained: bool = True) -> Choice:
    """Place one request, or say why it must wait.

    Deterministic; takes nothing: the caller takes the devices by a conditional update and asks again when that fails.

    Args:
        packing: How candidates of one price are ranked; default the tightest hole.
        is_explained: Whether rejected candidates are listed and the reason to wait is found; looking ahead needs no words.
    """
    best = _find(request, view, packing or BestFit())
    rejected = tuple(_explain(request, view, best)) if is_explained else ()
    return Choice(
        placements=tuple(_place(request, cell) for cell in best),
        wait_reason=None if best else find_wait_reason(rejected),
        rejected=rejected,
    )


def need_of(request: Request, terms: Terms) -> Remainder:
    """What one node must have left."""
    if request.need is not None:
        return request.need
    devices = request.devices
    return Remainder(devices, terms.cpu_millis_per_device * devices, terms.memory_mib_per_device * devices)


def _find(request: Request, view: StockView, packing: Packing) -> list[Cell]:
    """The best cells, one per node; empty when the request must wait."""
    best: tuple[Rank, list[Cell]] | None = None
    for pool in view.pools:
        if refuse_pool(request, pool) is not None:
            continue
        terms = request.terms[pool.offer_id]
        need = need_of(request, terms)
        price = terms.price_micros_per_device_hour
        if best is not None and price > int(best[0][0]):
            continue
        found = _find_in_pool(request, pool, need, packing, barred=barred_stock(request, view, pool))
        if found is not None and (best is None or (price, *found[0]) < best[0]):
            best = ((price, *found[0]), found[1])
    return best[1] if best else []


def barred_stock(request: Request, view: StockView, pool: Pool) -> frozenset[UUID]:
    """Stock of a pool that the request may not touch whatever is free there; mostly empty, and then found without a look."""
    is_open = view.dedication.is_empty and not request.needs_dedicated_node
    if is_open and not pool.is_one_tenant and not request.versions:
        return frozenset()
    return frozenset(cell.stock.stock_id for cell in pool.cells.values() if _bar(request, view, cell) is not None)


def _bar(request: Request, view: StockView, cell: Cell) -> Rejection | None:
    """Its versions, another tenant on a node that has one at a time, or a node that is another's or not one's own alone."""
    stock = cell.stock
    installed = {
        "driver": stock.driver_version,
        "firmware": stock.firmware_version,
        "runtime": stock.runtime_version,
    }
    if not all(wanted.takes(installed[name]) for name, wanted in request.versions):
        return Rejection.OTHER_VERSION
    if stock.is_one_tenant and cell.holder_id not in (None, request.tenant_id):
        return Rejection.OTHER_TENANT
    is_barred = view.dedication.bars(
        node_id=stock.node_id, tenant_id=request.tenant_id, needs_dedicated_node=request.needs_dedicated_node
    )
    return Rejection.NODE_NOT_ALONE if is_barred else None


def _find_together(
    pool: Pool, ranked: Sequence[tuple[tuple[int, ...], Remainder]], nodes: int, barred: frozenset[UUID]
) -> tuple[Rank, list[Cell]] | None:
    """The nodes of a gang by topology; None when too few are free that nobody holds."""
    ordered = [
        (found, pool.cells[stock_id])
        for found, free in ranked
        for _node, stock_id in pool.by_remainder[free]
        if stock_id not in barred
    ]
    cells = pick_together([cell for _found, cell in ordered], nodes=nodes)
    if not cells:
        return None
    score = next(found for found, cell in ordered if cell is cells[0])
    return (*score, pool.site, cells[0].stock.node), cells


def _find_in_pool(
    request: Request, pool: Pool, need: Remainder, packing: Packing, *, barred: frozenset[UUID]
) -> tuple[Rank, list[Cell]] | None:
    ranked = sorted(
        (packing.score(accelerator=pool.accelerator, free=free, need=need), free)
        for free in pool.by_remainder
        if free.holds(need)
    )
    together = _find_together(pool, ranked, request.nodes, barred) if request.nodes > 1 and pool.has_topology else None
    if together is not None:
        return together
    cells: list[Cell] = []
    score: tuple[int, ...] | None = None
    for found, free in ranked:
        group = pool.by_remainder[free]
        open_ones = group if not barred else [item for item in group if item[1] not in barred]
        for _node, stock_id in open_ones[: request.nodes - len(cells)]:
            score = score or found
            cells.append(pool.cells[stock_id])
        if len(cells) == request.nodes:
            return (*(score or ()), pool.site, cells[0].stock.node), cells
    for _node, cell in sorted(pool.held.items()):
        if cell.stock.stock_id not in barred and may_use_held(request, cell, need):
            score = score or packing.score(accelerator=pool.accelerator, free=cell.free, need=need)
            cells.append(cell)
            if len(cells) == request.nodes:
                return (*score, pool.site, cells[0].stock.node), cells
    return None


def may_use_held(request: Request, cell: Cell, need: Remainder) -> bool:
    """Whether a request may use a cell that is kept for another: only when that cannot delay the other."""
    hold = cell.hold
    if hold is None or not cell.free.holds(need):
        return False
    if hold.holder_id == request.instance_id:
        return True
    is_over_in_time = request.ends_at_s is not None and request.ends_at_s <= hold.starts_at_s
    return is_over_in_time or hold.spare.holds(need)


def _place(request: Request, cell: Cell) -> Placement:
    stock = cell.stock
    terms = request.terms[stock.offer_id]
    return Placement(
        stock_id=stock.stock_id,
        node_id=stock.node_id,
        node=stock.node,
        cluster_id=stock.cluster_id,
        cluster=stock.cluster,
        site=stock.site,
        accelerator=stock.accelerator,
        terms=terms,
        need=need_of(request, terms),
    )


def refuse_pool(request: Request, pool: Pool) -> tuple[Rejection, dict[str, int | str]] | None:
    """What speaks against every node of a pool: rules before terms, terms before price, price before shares."""
    forbidden = request.forbidden.get((pool.site_id, pool.accelerator))
    if forbidden:
        return Rejection.SITE_NOT_PERMITTED, {"rules": ", ".join(forbidden)}
    terms = request.terms.get(pool.offer_id)
    if terms is None:
        return Rejection.NO_TERMS, {}
    price = terms.price_micros_per_device_hour
    if request.max_price_micros is not None and price > request.max_price_micros:
        return Rejection.PRICE_TOO_HIGH, {"price_micros": price, "limit_micros": request.max_price_micros}
    shortage = request.exhausted.get(pool.accelerator)
    if shortage is not None:
        share = Rejection.SECTOR_SHARE_EXHAUSTED if shortage["sector"] else Rejection.PLATFORM_SHARE_EXHAUSTED
        return share, dict(shortage)
    return None


def _explain(request: Request, view: StockView, taken: Sequence[Cell]) -> Iterable[Rejected]:
    """Every pool's nodes that were not taken, by reason."""
    chosen = {cell.stock.stock_id for cell in taken}
    for pool in view.pools:
        refused = refuse_pool(request, pool)
        if refused is not None:
            yield _rejected(pool, refused[0], [cell.stock.node for cell in pool.cells.values()], refused[1])
            continue
        for obstacle, cells in pool.unhealthy.items():
            yield _rejected(pool, obstacle, [cell.stock.node for cell in cells], {})
        barred = barred_stock(request, view, pool)
        yield from _explain_size(request, pool) or _explain_capacity(request, pool, chosen, barred)
        yield from _explain_barred(request, view, [pool.cells[stock_id] for stock_id in sorted(barred)])


def _explain_size(request: Request, pool: Pool) -> Sequence[Rejected]:
    """The whole pool where it could not hold the request if it were empty; nothing where it could."""
    need = need_of(request, request.terms[pool.offer_id])
    sizes = [_devices_when_empty(cell.stock, need) for cell in pool.cells.values()]
    names = [cell.stock.node for cell in pool.cells.values() if cell.obstacle is None]
    if sum(size >= need.devices for size in sizes) >= request.nodes or not names:
        return ()
    facts = {"requested": request.devices, "free": max(sizes)}
    return (_rejected(pool, Rejection.REQUEST_TOO_LARGE, names, facts),)


def _devices_when_empty(stock: Stock, need: Remainder) -> int:
    """The most devices that one request may have of the node, with as much processor and memory for each as `need` has."""
    most = stock.capacity_devices
    for has, wanted in ((stock.capacity_cpu_millis, need.cpu_millis), (stock.capacity_memory_mib, need.memory_mib)):
        if has is not None and wanted:
            most = min(most, has * need.devices // wanted)
    return most


def _explain_capacity(request: Request, pool: Pool, chosen: set[UUID], barred: frozenset[UUID]) -> Iterable[Rejected]:
    need = need_of(request, request.terms[pool.offer_id])
    found: dict[Rejection, _Tally] = {}
    for free, everything in pool.by_remainder.items():
        group = everything if not barred else [item for item in everything if item[1] not in barred]
        names = [node for node, stock_id in group[: NODES_NAMED_MAX + request.nodes] if stock_id not in chosen]
        count = len(group) - sum(stock_id in chosen for _node, stock_id in group) if chosen else len(group)
        if count:
            rejection, told = _capacity_problem(request, free, need, has_choice=bool(chosen))
            found.setdefault(rejection, _Tally()).add(names, count, told)
    for node, cell in pool.held.items():
        if cell.stock.stock_id not in chosen and cell.stock.stock_id not in barred:
            rejection, told = _capacity_problem(request, cell.free, need, has_choice=bool(chosen))
            if rejection in (Rejection.WORSE_FIT, Rejection.NOT_ENOUGH_NODES) and not may_use_held(request, cell, need):
                rejection, told = Rejection.RESERVED, {"requested": need.devices, "free": cell.free.devices}
            found.setdefault(rejection, _Tally()).add([node], 1, told)
    for rejection, tally in found.items():
        yield _rejected(pool, rejection, tally.names, tally.facts, count=tally.count)


def _explain_barred(request: Request, view: StockView, cells: Sequence[Cell]) -> Iterable[Rejected]:
    found: dict[Rejection, list[Cell]] = {}
    for cell in cells:
        bar = _bar(request, view, cell)
        if bar is not None and cell.obstacle is None:
            found.setdefault(bar, []).append(cell)
    for bar, barred in found.items():
        yield _rejected(barred[0].pool, bar, [cell.stock.node for cell in barred], {})


class _Tally:
    """Nodes of one rejection, with the numbers of the one that came closest."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.count = 0
        self.facts: Mapping[str, int | str] = {}

    def add(self, names: list[str], count: int, told: Mapping[str, int | str]) -> None:
        """Add nodes that have the same left."""
        self.names.extend(names)
        if not self.count or int(told.get("free", 0)) > int(self.facts.get("free", 0)):
            self.facts = told
        self.count += count


def _capacity_problem(
    request: Request, free: Remainder, need: Remainder, *, has_choice: bool
) -> tuple[Rejection, dict[str, int | str]]:
    checks = (
        (need.devices, free.devices, Rejection.NOT_ENOUGH_DEVICES),
        (need.cpu_millis, free.cpu_millis, Rejection.NOT_ENOUGH_CPU),
        (need.memory_mib, free.memory_mib, Rejection.NOT_ENOUGH_MEMORY),
    )
    for requested, left, rejection in checks:
        if requested > left:
            return rejection, {"requested": requested, "free": left, "free_devices": free.devices}
    if not has_choice:
        return Rejection.NOT_ENOUGH_NODES, {"requested": request.nodes, "free": free.devices}
    return Rejection.WORSE_FIT, {"left_over_devices": free.devices - need.devices}


def _rejected(
    pool: Pool, rejection: Rejection, names: list[str], facts: Mapping[str, int | str], *, count: int | None = None
) -> Rejected:
    return Rejected(
        site=pool.site,
        accelerator=pool.accelerator,
        rejection=rejection,
        nodes=tuple(sorted(names)[:NODES_NAMED_MAX]),
        node_count=len(names) if count is None else count,
        facts=facts,
    )

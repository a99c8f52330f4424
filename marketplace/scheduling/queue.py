"""One look at the queue: place what fits, keep devices for the first that does not, let others pass where they cannot delay it.

The first waiting request of a pool that cannot start holds a reservation: the nodes on which it can start soonest, and when.
Devices freed there go to it. Others may use those nodes only if they end in time, or use what it will not need. Without any
known end there is no start to keep anything for, so a request that can never start stops nobody.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from marketplace.scheduling.fair_share import Waiting
from marketplace.scheduling.packing import Packing
from marketplace.scheduling.placement import Choice, Placement, Request, barred_stock, choose, need_of, refuse_pool
from marketplace.scheduling.stock import Cell, Hold, Pool, Remainder, StockView

RESERVATIONS_MAX: Final = 8
"""At most so many requests hold reservations at once, one per pool: more would idle devices for starts that are far away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What holds devices now, on one node.

    Attributes:
        ends_at_s: When they come back, in seconds of the pass's clock: proven by a maximum duration, or expected; None = nobody
            knows.
    """

    stock_id: UUID
    need: Remainder
    ends_at_s: float | None


Ends = Mapping[UUID, Sequence[Running]]
"""What is known to end, by stock, in order of ending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Devices kept for a request.

    Attributes:
        starts_at_s: When it can start at the latest.
    """

    starts_at_s: float
    stock_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one look found for one request: places, or a reservation, or neither.

    Attributes:
        choice: With the rejected candidates where an explanation was asked for.
    """

    waiting: Waiting
    choice: Choice
    reservation: Reservation | None = None

    @property
    def placements(self) -> tuple[Placement, ...]:
        """One per node asked for; empty when it waits."""
        return self.choice.placements


def look(
    *,
    queue: Iterable[Waiting],
    view: StockView,
    packing: Packing,
    read_ends: Callable[[], Ends],
    now_s: float,
    is_continued: bool = False,
    is_explained: bool = False,
) -> Iterator[Looked]:
    """Go through the queue in the given order; what is placed is taken from the view, what is kept is held in it.

    Args:
        read_ends: What runs, by `ends_by_stock`; called at most once, and only when something cannot start.
        is_explained: Whether each choice lists its rejected candidates.
        is_continued: Nothing was freed since the look before: its holds stand, and only newcomers are given.
    """
    if not is_continued:
        view.drop_holds()
    ends: Ends | None = None
    reservations = sum(bool(pool.held) for pool in view.pools)
    has_owners = any(pool.is_one_tenant for pool in view.pools)
    hopeless: dict[Hashable, Choice] = {}
    for waiting in queue:
        kind = _kind(waiting, has_holds=reservations > 0, has_dedicated=has_owners or not view.dedication.is_empty)
        known = hopeless.get(kind)
        if known is not None:
            yield Looked(waiting=waiting, choice=known)
            continue
        request = _dated(waiting, now_s=now_s) if reservations else waiting.request
        choice = choose(request=request, view=view, packing=packing, is_explained=is_explained)
        reservation = None
        if choice.placements:
            for placement in choice.placements:
                view.take(placement.stock_id, placement.need, ends_at_s=request.ends_at_s, tenant_id=request.tenant_id)
                view.dedication.note(
                    node_id=placement.node_id,
                    tenant_id=request.tenant_id,
                    needs_dedicated_node=request.needs_dedicated_node,
                )
        else:
            if reservations < RESERVATIONS_MAX:
                ends = read_ends() if ends is None else ends
                reservation = _reserve(request, view, ends, now_s=now_s)
                reservations += reservation is not None
            if reservation is None:
                hopeless[kind] = choice
        yield Looked(waiting=waiting, choice=choice, reservation=reservation)


def _dated(waiting: Waiting, *, now_s: float) -> Request:
    """The request as it would end if it started now."""
    if waiting.max_duration_s is None:
        return waiting.request
    return replace(waiting.request, ends_at_s=now_s + waiting.max_duration_s)


def _kind(waiting: Waiting, *, has_holds: bool, has_dedicated: bool) -> Hashable:
    """Requests of one kind fit or do not fit together; an end matters where something is held, a tenant where nodes are kept."""
    request = waiting.request
    terms = tuple(sorted((offer, t.price_micros_per_device_hour, t.cpu_millis_per_device, t.memory_mib_per_device)
                         for offer, t in request.terms.items()))  # fmt: skip
    return (
        request.devices, request.nodes, request.need, terms, tuple(sorted(request.forbidden)), request.max_price_micros,
        tuple(sorted((code, str(facts["sector"])) for code, facts in request.exhausted.items())),
        tuple((name, wanted.text) for name, wanted in request.versions),
        (waiting.max_duration_s, waiting.reserved_since_s) if has_holds else None,
        (request.tenant_id, request.needs_dedicated_node) if has_dedicated or request.needs_dedicated_node else None,
    )  # fmt: skip


def ends_by_stock(running: Iterable[Running]) -> Ends:
    """What is known to end, by stock, in order of ending."""
    found: defaultdict[UUID, list[Running]] = defaultdict(list)
    for item in running:
        if item.ends_at_s is not None:
            found[item.stock_id].append(item)
    for items in found.values():
        items.sort(key=lambda item: item.ends_at_s or 0.0)
    return found


def _reserve(request: Request, view: StockView, ends: Ends, *, now_s: float) -> Reservation | None:
    """Hold the nodes on which it can start soonest; None where no start is in sight or another holds the pool."""
    if not ends:
        return None
    best: tuple[float, str, list[tuple[float, Cell]]] | None = None
    for pool in view.pools:
        if refuse_pool(request, pool) is not None or pool.held:
            continue
        need = need_of(request, request.terms[pool.offer_id])
        barred = barred_stock(request, view, pool)
        cells = _soonest(pool, need, request.nodes, ends, now_s=now_s, barred=barred)
        if cells and (best is None or (cells[-1][0], pool.site) < best[:2]):
            best = (cells[-1][0], pool.site, cells)
    if best is None:
        return None
    starts_at_s = best[0]
    for _at, cell in best[2]:
        need = need_of(request, request.terms[cell.pool.offer_id])
        then = _free_at(cell, ends.get(cell.stock.stock_id, ()), starts_at_s)
        hold = Hold(holder_id=request.instance_id, starts_at_s=starts_at_s, spare=then.minus(need))
        view.set_hold(cell.stock.stock_id, hold)
    return Reservation(starts_at_s=starts_at_s, stock_ids=tuple(cell.stock.stock_id for _at, cell in best[2]))


def _soonest(
    pool: Pool, need: Remainder, nodes: int, ends: Ends, *, now_s: float, barred: frozenset[UUID]
) -> list[tuple[float, Cell]] | None:
    """As many cells as asked for, with the instants at which each has room, soonest first."""
    if need.devices > pool.capacity_max:
        return None
    found: list[tuple[float, str, Cell]] = []
    for cell in pool.cells.values():
        if cell.obstacle is None and cell.stock.stock_id not in barred:
            at = _room_at(cell, need, ends.get(cell.stock.stock_id, ()), now_s=now_s)
            if at is not None:
                found.append((at, cell.stock.node, cell))
    if len(found) < nodes:
        return None
    found.sort(key=lambda item: item[:2])
    return [(at, cell) for at, _node, cell in found[:nodes]]


def _room_at(cell: Cell, need: Remainder, ends: Sequence[Running], *, now_s: float) -> float | None:
    if need.devices > cell.stock.capacity_devices:
        return None
    free = cell.free
    if free.holds(need):
        return now_s
    for item in ends:
        free = free.plus(item.need)
        if free.holds(need):
            return max(now_s, item.ends_at_s or now_s)
    return None


def _free_at(cell: Cell, ends: Sequence[Running], at_s: float) -> Remainder:
    free = cell.free
    for item in ends:
        if item.ends_at_s is not None and item.ends_at_s <= at_s:
            free = free.plus(item.need)
    return free

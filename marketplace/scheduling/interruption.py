"""Whose devices are taken back for a request that may not be interrupted? Pure; interruptible runs are all that it looks at.

The least work is lost: the fewest devices, and among those the youngest runs. A gang is interrupted whole. Nothing is chosen unless
the code that places says that the request would then start.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from marketplace.scheduling.placement import Request, choose, need_of, refuse_pool
from marketplace.scheduling.stock import Cell, Pool, Remainder, StockView


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptibleRun:
    """A running instance that may be interrupted, with what it holds on each node."""

    instance_id: UUID
    started_at_s: float
    places: tuple[tuple[UUID, Remainder], ...]

    @property
    def devices(self) -> int:
        """On all its nodes."""
        return sum(need.devices for _stock_id, need in self.places)


def choose_interrupted(*, request: Request, view: StockView, runs: Iterable[InterruptibleRun]) -> tuple[UUID, ...]:
    """The runs to interrupt so that the request can start, by instance; none where that would not help. Deterministic.

    Args:
        view: As it is now; not changed.
    """
    by_stock: defaultdict[UUID, list[InterruptibleRun]] = defaultdict(list)
    for run in runs:
        for stock_id, _need in run.places:
            by_stock[stock_id].append(run)
    if not by_stock:
        return ()
    for own in by_stock.values():
        own.sort(key=lambda run: (-run.started_at_s, str(run.instance_id)))
    plans = [
        (sum(run.devices for run in plan), len(plan), pool.site, plan)
        for pool in view.pools
        if refuse_pool(request, pool) is None and (plan := _plan_in_pool(request, pool, by_stock)) is not None
    ]
    for _devices, _count, _site, plan in sorted(plans, key=lambda item: item[:3]):
        if _helps(request, view, plan):
            return tuple(run.instance_id for run in _without_needless(request, view, plan))
    return ()


def _plan_in_pool(
    request: Request, pool: Pool, by_stock: dict[UUID, list[InterruptibleRun]]
) -> list[InterruptibleRun] | None:
    """What would have to go on the cheapest nodes of one pool; None where they are too few."""
    need = need_of(request, request.terms[pool.offer_id])
    options: list[tuple[int, str, list[InterruptibleRun]]] = []
    for stock_id, cell in pool.cells.items():
        gone = _clear(cell, need, by_stock.get(stock_id, ())) if cell.obstacle is None else None
        if gone is not None:
            options.append((sum(run.devices for run in gone), cell.stock.node, gone))
    if len(options) < request.nodes:
        return None
    options.sort(key=lambda item: item[:2])
    chosen = {run.instance_id: run for _devices, _node, gone in options[: request.nodes] for run in gone}
    return list(chosen.values())


def _clear(cell: Cell, need: Remainder, runs: Sequence[InterruptibleRun]) -> list[InterruptibleRun] | None:
    """The youngest runs of a node that have to go until the need fits; None where it never does."""
    free, gone = cell.free, list[InterruptibleRun]()
    for run in runs:
        if free.holds(need):
            break
        free = free.plus(_held_on(run, cell.stock.stock_id))
        gone.append(run)
    return gone if free.holds(need) else None


def _held_on(run: InterruptibleRun, stock_id: UUID) -> Remainder:
    return next(need for held, need in run.places if held == stock_id)


def _helps(request: Request, view: StockView, plan: Sequence[InterruptibleRun]) -> bool:
    then = view.copy()
    for run in plan:
        for stock_id, need in run.places:
            then.give_back(stock_id, need)
    return choose(request=request, view=then, is_explained=False).placement is not None


def _without_needless(
    request: Request, view: StockView, plan: Sequence[InterruptibleRun]
) -> Sequence[InterruptibleRun]:
    """Spare whoever need not go, the oldest first."""
    kept = list(plan)
    for run in sorted(plan, key=lambda item: (item.started_at_s, str(item.instance_id))):
        fewer = [other for other in kept if other is not run]
        if fewer and _helps(request, view, fewer):
            kept = fewer
    return kept

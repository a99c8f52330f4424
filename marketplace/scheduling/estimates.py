"""When will it start? The same look at the queue, run ahead in virtual time over the ends that are known or expected.

An estimate is honest or absent: where nothing that would make room has an end in sight, there is none.
"""

import heapq
import itertools
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from marketplace.scheduling.fair_share import Waiting
from marketplace.scheduling.packing import Packing
from marketplace.scheduling.placement import Request, choose
from marketplace.scheduling.queue import Ends, Running, ends_by_stock, look
from marketplace.scheduling.stock import Remainder, StockView

EVENTS_MAX: Final = 2_000
"""Ends looked at per estimate; a start that is further away is not estimated."""
SAMPLES_MIN: Final = 20
"""Fewer ended runs than this say nothing about how long others will take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long runs without a maximum duration took, sorted, in seconds."""

    durations_s: Sequence[float]

    def remaining_s(self, *, age_s: float, quantile: float) -> float | None:
        """How much longer a run of this age takes, by those that grew at least as old; None where too few did."""
        first = bisect_left(self.durations_s, age_s)
        older = len(self.durations_s) - first
        if older < SAMPLES_MIN:
            return None
        return self.durations_s[first + min(older - 1, int(older * quantile))] - age_s


def estimate_starts(
    *,
    queue: Sequence[Waiting],
    view: StockView,
    running: Sequence[Running],
    packing: Packing,
    now_s: float,
    durations_s: Mapping[UUID, float] | None = None,
    events_max: int = EVENTS_MAX,
) -> Mapping[UUID, float]:
    """When each waiting request starts if nothing new is asked for, by instance; those without a known start are left out.

    Args:
        view: As the pass left it; not changed.
        running: With the ends to believe in: expected ones for a median, the latest ones for a cautious estimate.
        durations_s: How long waiting requests will run, by instance; default their maximum duration.
    """
    ahead = view.copy()
    tie = itertools.count()
    ends = [(item.ends_at_s, next(tie), item.stock_id, item.need) for item in running if item.ends_at_s is not None]
    heapq.heapify(ends)
    pending = list(queue)
    starts: dict[UUID, float] = {}
    at_s = now_s
    for _event in range(events_max):
        still = [Running(stock_id=stock_id, need=need, ends_at_s=end) for end, _tie, stock_id, need in ends]
        left: list[Waiting] = []
        for looked in look(
            queue=pending, view=ahead, packing=packing, read_ends=partial(ends_by_stock, still), now_s=at_s
        ):
            waiting = looked.waiting
            if not looked.placements:
                left.append(waiting)
                continue
            starts[waiting.request.instance_id] = at_s
            runs_s = (durations_s or {}).get(waiting.request.instance_id, waiting.max_duration_s)
            if runs_s is not None:
                for placement in looked.placements:
                    heapq.heappush(ends, (at_s + runs_s, next(tie), placement.stock_id, placement.need))
        pending = left
        if not pending or not ends:
            break
        at_s, _changed = _next(ends, ahead, at_s)
    return starts


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A request for one offer that nobody made, to see when it would start behind all that were."""

    offer_id: UUID
    request: Request

    @property
    def key(self) -> tuple[UUID, int]:
        """Offer and devices."""
        return self.offer_id, self.request.devices


def probe_starts(
    *,
    queue: Sequence[Waiting],
    probes: Sequence[Probe],
    view: StockView,
    running: Sequence[Running],
    packing: Packing,
    now_s: float,
    events_max: int = EVENTS_MAX,
) -> Mapping[tuple[UUID, int], float]:
    """When each probe could start if it joined the end of the queue now; those without a known start are left out.

    The same look ahead as `estimate_starts`: a probe starts when `choose` finds it a place that nobody before it takes or holds.
    Probes take nothing, so they do not delay one another.
    """
    ahead = view.copy()
    tie = itertools.count()
    ends = [(item.ends_at_s, next(tie), item.stock_id, item.need) for item in running if item.ends_at_s is not None]
    heapq.heapify(ends)
    pending, open_probes = list(queue), list(probes)
    starts: dict[tuple[UUID, int], float] = {}
    at_s = now_s
    changed: set[UUID] | None = None
    for _event in range(events_max):
        left: list[Waiting] = []
        for looked in look(queue=pending, view=ahead, packing=packing, read_ends=partial(_read_ends, ends), now_s=at_s):
            if not looked.placements:
                left.append(looked.waiting)
                continue
            runs_s = looked.waiting.max_duration_s
            if runs_s is not None:
                for placement in looked.placements:
                    heapq.heappush(ends, (at_s + runs_s, next(tie), placement.stock_id, placement.need))
        asked = [probe for probe in open_probes if changed is None or probe.offer_id in changed]
        found = {probe.key for probe in asked if _could_start(probe, ahead, packing)}
        starts.update(dict.fromkeys(found, at_s))
        open_probes = [probe for probe in open_probes if probe.key not in found]
        pending = left
        if not open_probes or not ends:
            break
        at_s, changed = _next(ends, ahead, at_s)
    return starts


def _read_ends(ends: Sequence[tuple[float, int, UUID, Remainder]]) -> Ends:
    return ends_by_stock(Running(stock_id=stock_id, need=need, ends_at_s=end) for end, _tie, stock_id, need in ends)


def _could_start(probe: Probe, view: StockView, packing: Packing) -> bool:
    narrowed = view.narrowed(offer_id=probe.offer_id)
    return bool(choose(request=probe.request, view=narrowed, packing=packing, is_explained=False).placements)


def _next(ends: list[tuple[float, int, UUID, Remainder]], view: StockView, at_s: float) -> tuple[float, set[UUID]]:
    """Give back everything that ends next; the instant, and the offers of which something came back."""
    at_s = max(at_s, ends[0][0])
    changed: set[UUID] = set()
    while ends and ends[0][0] <= at_s:
        _end, _tie, stock_id, need = heapq.heappop(ends)
        view.give_back(stock_id, need)
        changed.update(cell.pool.offer_id for cell in view.cells[stock_id])
    return at_s, changed

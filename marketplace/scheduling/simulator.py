"""Replays a trace of requests over nodes in virtual time, through the same order, look, placement and estimates as production."""

import heapq
import itertools
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final
from uuid import UUID

from marketplace.scheduling.estimates import estimate_starts
from marketplace.scheduling.fair_share import HALF_LIFE_S, FairUsage, Waiting, fair_order
from marketplace.scheduling.interruption import InterruptibleRun, choose_interrupted
from marketplace.scheduling.packing import BestFit, Capacity, DemandPacking, FragmentationPacking, Packing, Shape
from marketplace.scheduling.placement import Request, Terms, choose
from marketplace.scheduling.queue import Running, look
from marketplace.scheduling.stock import Remainder, Stock, StockView

NOBODY: Final = UUID(int=0)
INTERRUPTING_MAX: Final = 8
"""So many waiting requests are looked at per event for whether others should be interrupted for them."""
ESTIMATED_QUEUE_MAX: Final = 50
"""A newcomer behind more waiting requests than this gets no estimate in a simulation: looking so far ahead costs too much."""


class Policy(StrEnum):
    """How to decide; the last two are published baselines: first come, first served, passing what does not fit."""

    ONDOL = "ondol"
    BEST_FIT = "best-fit"
    FRAGMENTATION = "fragmentation"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """A node of the trace."""

    node: str
    accelerator: str
    devices: int
    vcpu: int
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A request of the trace.

    Attributes:
        duration_s: None = until the end.
        devices, vcpu, memory_mib: On each node.
        accelerators: Empty = any.
    """

    request: str
    tenant: str
    submit_s: float
    duration_s: float | None
    devices: int
    nodes: int = 1
    accelerators: frozenset[str] = frozenset()
    vcpu: float = 0
    memory_mib: int = 0
    priority: int = 0
    is_interruptible: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When a request started, and what was estimated when it came."""

    row: RequestRow
    started_s: float
    estimate_p90_s: float | None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a replay found.

    Attributes:
        allocated: (seconds, devices allocated) after each event.
        never_started: Requests that had not started when the trace was over.
        interruptions: How often a running request was interrupted for another; it queues again with what is left of it.
        device_seconds: Received by each tenant until the last request came.
        stranded_devices: Free at that instant, weighted by the share of requests that could not have used them.
    """

    devices: int
    starts: list[Start] = field(default_factory=list)
    never_started: list[RequestRow] = field(default_factory=list)
    allocated: list[tuple[float, int]] = field(default_factory=list)
    device_seconds: Mapping[str, float] = field(default_factory=dict)
    stranded_devices: float = 0.0
    decisions: int = 0
    interruptions: int = 0
    final_allocated: int = 0

    @property
    def allocation_ratio(self) -> float:
        """Devices allocated when the last request had come, of all."""
        return self.final_allocated / self.devices if self.devices else 0.0


class Simulation:
    """One replay; `run` once."""

    def __init__(
        self,
        *,
        nodes: Sequence[NodeRow],
        requests: Sequence[RequestRow],
        policy: Policy = Policy.ONDOL,
        half_life_s: float = HALF_LIFE_S,
        has_estimates: bool = True,
    ) -> None:
        """Prepare the nodes; nothing is placed yet."""
        self._rows = sorted(requests, key=lambda row: (row.submit_s, row.request))
        self._ids = {row.request: UUID(int=number + 1) for number, row in enumerate(self._rows)}
        self._tenants = {name: UUID(int=number + 1) for number, name in enumerate(sorted({r.tenant for r in requests}))}
        self._offers = {
            name: UUID(int=number + 1) for number, name in enumerate(sorted({node.accelerator for node in nodes}))
        }
        self._capacity = Counter[str]()
        for node in nodes:
            self._capacity[node.accelerator] += node.devices
        self._view = StockView(self._stock(number, node) for number, node in enumerate(nodes))
        self._policy, self._has_estimates = policy, has_estimates
        self._packing = self._choose_packing()
        self._fair = FairUsage(half_life_s=half_life_s)
        self._queue: dict[UUID, Waiting] = {}
        self._ends: list[tuple[float, int, UUID]] = []
        self._held: dict[UUID, tuple[RequestRow, float, list[tuple[UUID, Remainder]]]] = {}
        self._running: defaultdict[UUID, list[Running]] = defaultdict(list)
        self._estimates: dict[UUID, float] = {}
        self._row_of = {self._ids[row.request]: row for row in self._rows}
        self._tie = itertools.count()
        self._left_s: dict[UUID, float] = {}
        self._begun: set[UUID] = set()
        self._ends_at_s: dict[UUID, float] = {}
        self._interruptible: dict[UUID, InterruptibleRun] = {}
        self._stale_ends: Counter[UUID] = Counter()
        self._in_use = 0
        self._has_freed = False
        self._tenant_seconds: defaultdict[str, float] = defaultdict(float)
        self.outcome = Outcome(devices=sum(self._capacity.values()))

    def run(self) -> Outcome:
        """Replay everything."""
        arrivals = iter(self._rows)
        coming = next(arrivals, None)
        last_submit_s = self._rows[-1].submit_s if self._rows else 0.0
        while coming is not None or self._ends:
            if coming is None and not self._queue and not self._ends:
                break
            end_s = self._ends[0][0] if self._ends else float("inf")
            if coming is not None and coming.submit_s < end_s:
                now_s = coming.submit_s
                newcomers = []
                while coming is not None and coming.submit_s == now_s:
                    newcomers.append(self._enter(coming))
                    coming = next(arrivals, None)
                self._pass(now_s, newcomers)
            else:
                now_s = end_s
                while self._ends and self._ends[0][0] == now_s:
                    self._end(heapq.heappop(self._ends)[2], now_s)
                self._pass(now_s, [])
            if coming is None and now_s <= last_submit_s:
                self._close_books(last_submit_s)
        if self._rows and not self.outcome.device_seconds:
            self._close_books(last_submit_s)
        self.outcome.never_started = [self._row_of[key] for key in self._queue if key not in self._begun]
        return self.outcome

    def _pass(self, now_s: float, newcomers: list[Waiting]) -> None:
        # Nothing was freed and nobody but the newcomers can start: those that waited were told so in the same state.
        is_continued = not self._has_freed
        self._has_freed = False
        queue = self._order(newcomers if is_continued else list(self._queue.values()), now_s)
        for looked in look(
            queue=queue, view=self._view, packing=self._packing, read_ends=lambda: self._running,
            now_s=now_s, is_continued=is_continued or self._policy is not Policy.ONDOL,
        ):  # fmt: skip
            self.outcome.decisions += 1
            instance_id = looked.waiting.request.instance_id
            if looked.placements:
                self._start(looked.waiting, [(place.stock_id, place.need) for place in looked.placements], now_s)
            elif looked.reservation is not None and looked.waiting.reserved_since_s is None:
                self._queue[instance_id] = replace(looked.waiting, reserved_since_s=now_s)
        if self._policy is Policy.ONDOL:
            self._interrupt_for_others(queue, now_s)
        self.outcome.allocated.append((now_s, self._in_use))
        self._estimate(newcomers, now_s)

    def _interrupt_for_others(self, queue: Sequence[Waiting], now_s: float) -> None:
        """In order, whoever may not be interrupted takes the devices of those who may; they queue again."""
        if not self._interruptible:
            return
        unplaced = (
            waiting
            for waiting in queue
            if waiting.request.instance_id in self._queue
            and not self._row_of[waiting.request.instance_id].is_interruptible
        )
        for waiting in itertools.islice(unplaced, INTERRUPTING_MAX):
            victims = choose_interrupted(request=waiting.request, view=self._view, runs=self._interruptible.values())
            if not victims:
                continue
            # What is kept for others is kept anew at the next look; here it must not stand in the way.
            self._view.drop_holds()
            for victim in victims:
                self._interrupt(victim, now_s)
            choice = choose(request=waiting.request, view=self._view, packing=self._packing, is_explained=False)
            for place in choice.placements:
                self._view.take(place.stock_id, place.need)
            self._start(waiting, [(place.stock_id, place.need) for place in choice.placements], now_s)

    def _interrupt(self, instance_id: UUID, now_s: float) -> None:
        row, started_s, _places = self._held[instance_id]
        if row.duration_s is not None:
            left_s = self._left_s.get(instance_id, row.duration_s) - (now_s - started_s)
            self._left_s[instance_id] = max(0.0, left_s)
            self._stale_ends[instance_id] += 1
        self._finish(instance_id, now_s)
        self.outcome.interruptions += 1
        self._enter(row, again_at_s=now_s)

    def _end(self, instance_id: UUID, now_s: float) -> None:
        """An end that an interruption made void is passed over; voids come first, since a rest ends later."""
        if self._stale_ends[instance_id]:
            self._stale_ends[instance_id] -= 1
            return
        self._finish(instance_id, now_s)

    def _order(self, waiting: list[Waiting], now_s: float) -> Sequence[Waiting]:
        if self._policy is Policy.ONDOL:
            return fair_order(waiting=waiting, used=self._fair.read(now_s=now_s))
        return sorted(waiting, key=lambda item: (item.queued_at_s, item.request.instance_id))

    def _enter(self, row: RequestRow, *, again_at_s: float | None = None) -> Waiting:
        need = Remainder(row.devices, round(row.vcpu * 1000), row.memory_mib)
        names = [name for name in self._offers if not row.accelerators or name in row.accelerators]
        if isinstance(self._packing, DemandPacking) and again_at_s is None:
            self._packing.learn(Shape(need, row.accelerators))
        instance_id = self._ids[row.request]
        waiting = Waiting(
            request=Request(
                instance_id=instance_id,
                devices=row.devices,
                nodes=row.nodes,
                need=need,
                terms={self._offers[name]: _terms(self._offers[name]) for name in names},
            ),
            tenant_id=self._tenants[row.tenant],
            queued_at_s=row.submit_s if again_at_s is None else again_at_s,
            priority=row.priority,
            max_duration_s=self._left_s.get(instance_id, row.duration_s) if row.duration_s is not None else None,
        )
        self._queue[instance_id] = waiting
        return waiting

    def _start(self, waiting: Waiting, places: list[tuple[UUID, Remainder]], now_s: float) -> None:
        instance_id = waiting.request.instance_id
        row = self._row_of[instance_id]
        del self._queue[instance_id]
        self._held[instance_id] = (row, now_s, places)
        if row.is_interruptible and self._policy is Policy.ONDOL:
            self._interruptible[instance_id] = InterruptibleRun(
                instance_id=instance_id, started_at_s=now_s, places=tuple(places)
            )
        self._in_use += row.devices * row.nodes
        self._fair.start(tenant_id=waiting.tenant_id, rate=waiting.rate, now_s=now_s)
        if row.duration_s is not None:
            ends_at_s = now_s + self._left_s.get(instance_id, row.duration_s)
            heapq.heappush(self._ends, (ends_at_s, next(self._tie), instance_id))
            if self._policy is Policy.ONDOL:
                self._ends_at_s[instance_id] = ends_at_s
                for stock_id, need in places:
                    insort(
                        self._running[stock_id], Running(stock_id=stock_id, need=need, ends_at_s=ends_at_s), key=_end
                    )
        estimate_s = self._estimates.pop(instance_id, None)
        if instance_id not in self._begun:
            self._begun.add(instance_id)
            self.outcome.starts.append(Start(row=row, started_s=now_s, estimate_p90_s=estimate_s))

    def _finish(self, instance_id: UUID, now_s: float) -> None:
        row, started_s, places = self._held.pop(instance_id)
        ends_at_s = self._ends_at_s.pop(instance_id, None)
        self._interruptible.pop(instance_id, None)
        for stock_id, need in places:
            self._view.give_back(stock_id, need)
            if ends_at_s is not None:
                self._running[stock_id].remove(Running(stock_id=stock_id, need=need, ends_at_s=ends_at_s))
        self._in_use -= row.devices * row.nodes
        self._has_freed = True
        self._tenant_seconds[row.tenant] += row.devices * row.nodes * (now_s - started_s)
        self._fair.end(tenant_id=self._tenants[row.tenant], rate=row.devices * row.nodes, now_s=now_s)

    def _estimate(self, newcomers: list[Waiting], now_s: float) -> None:
        if not self._has_estimates or self._policy is not Policy.ONDOL:
            return
        fresh = [item.request.instance_id for item in newcomers if item.request.instance_id in self._queue]
        if not fresh or len(self._queue) > ESTIMATED_QUEUE_MAX:
            return
        queue = self._order(list(self._queue.values()), now_s)
        starts = estimate_starts(
            queue=queue,
            view=self._view,
            running=[item for items in self._running.values() for item in items],
            packing=self._packing,
            now_s=now_s,
        )
        for instance_id in fresh:
            if instance_id in starts:
                self._estimates[instance_id] = starts[instance_id]

    def _close_books(self, at_s: float) -> None:
        """Take the figures of the instant at which the last request had come."""
        seconds = defaultdict(float, self._tenant_seconds)
        for row, started_s, _places in self._held.values():
            seconds[row.tenant] += row.devices * row.nodes * (at_s - started_s)
        self.outcome.device_seconds = {tenant: seconds[tenant] for tenant in self._tenants}
        self.outcome.final_allocated = self._in_use
        self.outcome.stranded_devices = self._stranded()

    def _stranded(self) -> float:
        demand = Counter(
            Shape(Remainder(row.devices, round(row.vcpu * 1000), row.memory_mib), row.accelerators)
            for row in self._rows
        )
        total = 0.0
        for pool in self._view.pools:
            for cell in pool.cells.values():
                unusable = sum(
                    count
                    for shape, count in demand.items()
                    if not cell.free.holds(shape.need)
                    or (shape.accelerators and pool.accelerator not in shape.accelerators)
                )
                total += cell.free.devices * unusable / len(self._rows)
        return total

    def _choose_packing(self) -> Packing:
        if self._policy is Policy.BEST_FIT:
            return BestFit()
        if self._policy is Policy.FRAGMENTATION:
            return FragmentationPacking(
                Shape(Remainder(row.devices, round(row.vcpu * 1000), row.memory_mib), row.accelerators)
                for row in self._rows
            )
        capacity = {
            pool.accelerator: Capacity(self._capacity[pool.accelerator], pool.capacity_max) for pool in self._view.pools
        }
        return DemandPacking(capacity=capacity)

    def _stock(self, number: int, node: NodeRow) -> Stock:
        return Stock(
            stock_id=UUID(int=number + 1),
            node_id=UUID(int=number + 1),
            node=node.node,
            cluster_id=NOBODY,
            cluster="",
            site_id=NOBODY,
            site="",
            accelerator=node.accelerator,
            offer_id=self._offers[node.accelerator],
            capacity_devices=node.devices,
            free_devices=node.devices,
            free_cpu_millis=node.vcpu * 1000,
            free_memory_mib=node.memory_mib,
        )


def _end(running: Running) -> float:
    return running.ends_at_s or 0.0


def _terms(offer_id: UUID) -> Terms:
    return Terms(
        offer_id=offer_id,
        term_id=offer_id,
        price_micros_per_device_hour=0,
        cpu_millis_per_device=0,
        memory_mib_per_device=0,
    )


def jain(values: Sequence[float]) -> float:
    """Jain's index of fairness: 1 = all equal, 1/n = one has all."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0

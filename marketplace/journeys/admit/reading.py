"""The queue with everything it is judged by; a number of queries that does not grow with the queue."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings

from marketplace.instances.history import (
    LiveRow,
    list_dedicated_nodes,
    list_live_runs,
    list_node_tenants,
    list_recent_lifetimes,
    list_recent_shapes,
    read_decayed_use,
)
from marketplace.instances.models import Instance, InstanceTerm
from marketplace.instances.states import Goal, State
from marketplace.inventory.models import Offer
from marketplace.inventory.queries import read_assessments
from marketplace.journeys.admit.shares import read_shares
from marketplace.journeys.market_view import MarketFacts, judge_offers, read_market_facts
from marketplace.journeys.stock_view import placement_terms, read_stock
from marketplace.kernel.actors import system_actor
from marketplace.scheduling.dedication import Dedication
from marketplace.scheduling.estimates import Lifetimes
from marketplace.scheduling.fair_share import ENTRY_S, Waiting
from marketplace.scheduling.packing import Capacity, DemandPacking, Shape
from marketplace.scheduling.placement import Request
from marketplace.scheduling.queue import Running
from marketplace.scheduling.shares import ShareBook
from marketplace.scheduling.stock import Remainder, StockView
from marketplace.scheduling.versions import read_ranges
from marketplace.sovereignty.rules import (
    Assessment,
    CustomerFacts,
    Requirements,
    Verdict,
    needs_dedicated_node,
)

ADMITTER: Final = system_actor("admitter")
QUEUE_MAX: Final = 2_000
"""So many queued instances are looked at per pass, oldest first, so that those that fit are found behind those that do not."""
STOPPING_S: Final = 60.0
"""What an instance on its way out still takes: grace period and deletion."""


@dataclass(slots=True, kw_only=True)
class Considered:
    """One queued instance with what it is judged by: every offer on sale that its request names, agreed on or refused."""

    instance: Instance
    waiting: Waiting
    offers: tuple[Offer, ...]
    requirements: tuple[Requirements, ...]
    customer: CustomerFacts
    verdicts: Mapping[UUID, Verdict]


@dataclass(slots=True, kw_only=True)
class Queue:
    """What one pass looks at.

    Attributes:
        shares: What sectors and the platform have left; kept true while the queue is decided on.
        used: Decayed use by tenant, in weighted device-seconds.
        runs: What holds devices now: (stock, need, seconds it ran, seconds until its proven end or None).
    """

    considered: Sequence[Considered]
    view: StockView
    packing: DemandPacking
    used: Mapping[UUID, float]
    runs: Sequence["LiveRun"]
    lifetimes: Lifetimes
    facts: MarketFacts
    shares: ShareBook
    now_s: float
    by_id: Mapping[UUID, Considered] = field(default_factory=dict)

    def running(self, *, quantile: float) -> list[Running]:
        """What holds devices, with its proven end, or else the expected one at the quantile of how long such runs take."""
        found = []
        for run in self.runs:
            left = run.left_s
            if left is None:
                left = self.lifetimes.remaining_s(age_s=run.age_s, quantile=quantile)
            ends_at_s = None if left is None else self.now_s + left
            found.append(Running(stock_id=run.stock_id, need=run.need, ends_at_s=ends_at_s))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """What holds devices now, on one node.

    Attributes:
        may_interrupt: It may be interrupted, and nobody asked for its devices yet.
        is_announced: It will be, or is being interrupted.
    """

    instance_id: UUID
    stock_id: UUID
    need: Remainder
    age_s: float
    left_s: float | None
    may_interrupt: bool
    is_announced: bool


def read_queue(*, now: datetime) -> Queue | None:
    """The queue and its market; None when nothing waits. Requires an open staff transaction; locks nothing."""
    queued = _list_queued()
    return _read(queued, now=now) if queued else None


def read_market_and_queue(*, now: datetime) -> Queue:
    """As `read_queue`, also when nothing waits."""
    return _read(_list_queued(), now=now)


def _list_queued() -> list[Instance]:
    rows = Instance.objects.filter(state=State.QUEUED, goal=Goal.RUN).select_related("project", "tenant")
    return list(rows.order_by("queued_at", "id")[:QUEUE_MAX])


def _read(queued: Sequence[Instance], *, now: datetime) -> Queue:
    terms: defaultdict[UUID, list[InstanceTerm]] = defaultdict(list)
    for term in InstanceTerm.objects.filter(instance_id__in=[row.id for row in queued]).select_related("offer"):
        terms[term.instance_id].append(term)
    facts = read_market_facts()
    assessments = read_assessments(tenant_ids={row.tenant_id for row in queued})
    rules: dict[tuple[str, ...], tuple[Requirements, ...]] = {}
    considered = []
    for instance in queued:
        classes = tuple(instance.project.data_classes)
        if classes not in rules:
            rules[classes] = facts.requirements_in_force(data_classes=classes, now=now)
        customer = _customer(instance, assessments)
        considered.append(_consider(instance, terms[instance.id], facts, rules[classes], customer=customer, now=now))
    view = StockView(read_stock(now=now, silence=settings.CLUSTER_SILENCE))
    view.dedication = _read_dedication(considered)
    return Queue(
        considered=considered,
        view=view,
        packing=_packing(view, now=now),
        used=read_decayed_use(now=now, half_life_s=settings.FAIR_SHARE_HALF_LIFE_S, entry_s=ENTRY_S),
        runs=[_live(run, now=now) for run in list_live_runs()],
        lifetimes=Lifetimes(durations_s=list_recent_lifetimes(now=now)),
        facts=facts,
        shares=read_shares(now=now),
        now_s=now.timestamp(),
        by_id={item.instance.id: item for item in considered},
    )


def _read_dedication(considered: Sequence[Considered]) -> Dedication:
    """Who is on which node is asked only when somebody wants one alone."""
    wants_alone = any(item.waiting.request.needs_dedicated_node for item in considered)
    return Dedication(tenants=list_node_tenants() if wants_alone else (), dedicated=list_dedicated_nodes())


def _packing(view: StockView, *, now: datetime) -> DemandPacking:
    capacity: dict[str, Capacity] = {}
    for pool in view.pools:
        known = capacity.get(pool.accelerator, Capacity(0, 0))
        devices = known.devices + sum(cell.stock.capacity_devices for cell in pool.cells.values())
        capacity[pool.accelerator] = Capacity(devices, max(known.on_one_node, pool.capacity_max))
    demand = [
        Shape(Remainder(*need), frozenset(accelerators))
        for need, accelerators, count in list_recent_shapes(now=now)
        for _ in range(count)
    ]
    return DemandPacking(capacity=capacity, demand=demand)


def _live(row: LiveRow, *, now: datetime) -> LiveRun:
    age_s = (now - row.since).total_seconds()
    left_s = None if row.max_duration_s is None else max(0.0, row.max_duration_s - age_s)
    if row.interrupt_at is not None:
        left_s = max(0.0, (row.interrupt_at - now).total_seconds()) + STOPPING_S
    if row.is_stopping:
        left_s = STOPPING_S
    return LiveRun(
        instance_id=row.instance_id,
        stock_id=row.stock_id,
        need=Remainder(row.devices, row.cpu_millis, row.memory_mib),
        age_s=max(0.0, age_s),
        left_s=left_s,
        may_interrupt=row.may_interrupt and row.interrupt_at is None,
        is_announced=row.interrupt_at is not None,
    )


def _customer(instance: Instance, assessments: Mapping[UUID, tuple[Assessment, ...]]) -> CustomerFacts:
    return CustomerFacts(
        sector=instance.tenant.sector,
        project_id=instance.project_id,
        assessments=assessments.get(instance.tenant_id, ()),
    )


def _consider(
    instance: Instance,
    terms: Sequence[InstanceTerm],
    facts: MarketFacts,
    requirements: tuple[Requirements, ...],
    *,
    customer: CustomerFacts,
    now: datetime,
) -> Considered:
    offers = facts.matching(accelerators=instance.accelerators, offer_ids=instance.offer_ids)
    verdicts = judge_offers(
        facts=facts,
        offers=offers,
        requirements=requirements,
        customer=customer,
        image=instance.image,
        max_duration_s=instance.max_duration_s,
        now=now,
    )
    request = Request(
        instance_id=instance.id,
        devices=instance.devices,
        tenant_id=instance.tenant_id,
        needs_dedicated_node=needs_dedicated_node(requirements),
        nodes=instance.nodes,
        max_price_micros=instance.max_price_micros,
        versions=read_ranges(instance.versions),
        forbidden={
            (offer.site_id, offer.accelerator.code): tuple(r.rule.value for r in verdicts[offer.id].refusals)
            for offer in offers
            if not verdicts[offer.id].is_permitted
        },
        terms=placement_terms(terms),
    )
    reserved = instance.reserved_since
    waiting = Waiting(
        request=request,
        tenant_id=instance.tenant_id,
        queued_at_s=instance.queued_at.timestamp(),
        priority=instance.priority,
        weight=min((term.price_micros_per_device_hour for term in terms), default=0) / 1_000_000,
        max_duration_s=instance.max_duration_s,
        reserved_since_s=reserved.timestamp() if reserved else None,
    )
    return Considered(
        instance=instance,
        waiting=waiting,
        offers=offers,
        requirements=requirements,
        customer=customer,
        verdicts=verdicts,
    )

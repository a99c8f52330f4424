"""A batch of decisions into the database: nodes, then instances, are locked in order; the counters have the last word."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from clusters.workloads import NewWorkload, open_workloads
from marketplace.instances.models import DecisionOutcome, Instance
from marketplace.instances.operations import (
    Promise,
    PromisedNode,
    WaitNews,
    allocate_many,
    lock_queued_instances,
    record_decisions,
    record_waiting_many,
)
from marketplace.inventory.stock import Taking, lock_nodes, take_devices
from marketplace.journeys.admit.deciding import Decided
from marketplace.journeys.admit.describing import describe, wait_facts
from marketplace.journeys.admit.shares import count, has_room, lock_shares, tell_soft_limits
from marketplace.journeys.market_view import MarketFacts
from marketplace.kernel.hints import hint
from marketplace.sovereignty.operations import keep_facts
from marketplace.sovereignty.rules import needs_dedicated_node


def place(batch: Sequence[Decided], *, facts: MarketFacts, now: datetime) -> int:
    """Promise the devices of a batch; how many instances were placed.

    One that somebody stopped meanwhile, or whose devices are gone, is left as it is; the next pass sees it anew.

    Requires an open staff transaction. Locks shares, then nodes, then instances, each by id.
    """
    batch = _within_shares(batch, now=now)
    lock_nodes(stock_ids=[place.stock_id for item in batch for place in item.looked.placements])
    locked = lock_queued_instances(instance_ids=[item.considered.instance.id for item in batch])
    wanted = [item for item in batch if item.considered.instance.id in locked]
    taken = take_devices(takings=[_takings(item) for item in wanted], now=now)
    promised: list[tuple[Instance, Decided]] = []
    for item, is_taken in zip(wanted, taken, strict=True):
        if is_taken:
            promised.append((locked[item.considered.instance.id], item))
        else:
            hint("instance.queued", item.considered.instance.id)
    if not promised:
        return 0
    allocations = allocate_many(promises=[_promise(instance, item) for instance, item in promised], now=now)
    open_workloads(
        workloads=[
            NewWorkload(
                allocation=allocation, nodes=instance.nodes, project_id=instance.project_id, cluster_id=cluster_id
            )
            for (instance, cluster_id), allocation in zip(_by_rank(promised), allocations, strict=True)
        ],
        now=now,
    )
    facts_id = keep_facts(body=facts.description)
    record_decisions(
        decisions=[
            (instance, describe(item, outcome=DecisionOutcome.PLACED, reason="Allocated", facts_id=facts_id, now=now))
            for instance, item in promised
        ],
        now=now,
    )
    return len(promised)


def _within_shares(batch: Sequence[Decided], *, now: datetime) -> Sequence[Decided]:
    """Those of the batch that the shares still allow, as they stand in this transaction; the others are looked at again."""
    book = lock_shares(now=now)
    if not book.has_limits:
        return batch
    allowed = []
    for item in batch:
        if has_room(book, item.considered, item.looked.placements):
            count(book, item.considered, item.looked.placements)
            allowed.append(item)
        else:
            hint("instance.queued", item.considered.instance.id)
    tell_soft_limits(book, now=now)
    return allowed


def record_waits(batch: Sequence[Decided], *, facts: MarketFacts, now: datetime) -> None:
    """Keep why each of a batch waits, where that is news; a new reason also becomes a decision.

    Requires an open staff transaction. Locks the instances with news, by id.
    """
    news = [item for item in batch if _is_news(item)]
    if not news:
        return
    locked = lock_queued_instances(instance_ids=[item.considered.instance.id for item in news])
    present = [(locked[item.considered.instance.id], item) for item in news if item.considered.instance.id in locked]
    changed = record_waiting_many(
        news=[
            WaitNews(
                instance=instance,
                reason=_reason(item),
                facts=wait_facts(item),
                is_reserved=item.looked.reservation is not None,
            )
            for instance, item in present
        ],
        now=now,
    )
    if not changed:
        return
    facts_id = keep_facts(body=facts.description)
    record_decisions(
        decisions=[
            (
                instance,
                describe(item, outcome=DecisionOutcome.WAITING, reason=_reason(item), facts_id=facts_id, now=now),
            )
            for instance, item in present
            if instance.id in changed
        ],
        now=now,
    )


def _takings(item: Decided) -> list[Taking]:
    return [
        Taking(
            stock_id=placement.stock_id,
            node_id=placement.node_id,
            tenant_id=item.considered.instance.tenant_id,
            devices=placement.need.devices,
            cpu_millis=placement.need.cpu_millis,
            memory_mib=placement.need.memory_mib,
        )
        for placement in item.looked.placements
    ]


def _promise(instance: Instance, item: Decided) -> Promise:
    return Promise(
        instance=instance,
        is_node_dedicated=needs_dedicated_node(item.considered.requirements),
        nodes=[
            PromisedNode(
                term_id=placement.terms.term_id,
                stock_id=placement.stock_id,
                devices=placement.need.devices,
                cpu_millis=placement.need.cpu_millis,
                memory_mib=placement.need.memory_mib,
            )
            for placement in item.looked.placements
        ],
    )


def _by_rank(promised: Sequence[tuple[Instance, Decided]]) -> list[tuple[Instance, UUID]]:
    """Instance and cluster once per rank, in the order of the allocations."""
    return [(instance, placement.cluster_id) for instance, item in promised for placement in item.looked.placements]


def _reason(item: Decided) -> str:
    reason = item.looked.choice.wait_reason
    return reason.value if reason else ""


def _is_news(item: Decided) -> bool:
    instance = item.considered.instance
    known = instance.conditions.get("CapacityAllocated", {})
    is_told = known.get("reason") == _reason(item) and known.get("facts") == dict(wait_facts(item))
    return not is_told or (item.looked.reservation is not None) != (instance.reserved_since is not None)

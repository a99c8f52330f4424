"""What the admitter writes: a place, the reason to wait, the decision behind either, the end of waiting."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from marketplace.instances.models import Allocation, DecisionOutcome, Instance, PlacementDecision, StartEstimate
from marketplace.instances.operations.moving import _move, _move_placed, condition, lock_instance
from marketplace.instances.states import Goal, Reason, State
from marketplace.inventory.models import MeteredBy, NodeStock
from marketplace.quotas.operations import lock_held_quotas, release_quota


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisedNode:
    """Taken devices of one node."""

    term_id: UUID
    stock_id: UUID
    devices: int
    cpu_millis: int
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Taken devices for a locked, queued instance.

    Attributes:
        nodes: One per rank, in order; a gang has several.
        is_node_dedicated: Nobody else may have devices there as long as they are promised.
    """

    instance: Instance
    nodes: Sequence[PromisedNode]
    is_node_dedicated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitNews:
    """Why a locked, queued instance waits.

    Attributes:
        is_reserved: Devices are kept for it.
    """

    instance: Instance
    reason: str
    facts: Mapping[str, Any]
    is_reserved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """A placement decision with everything it was decided on."""

    outcome: DecisionOutcome
    reason: str
    inputs: Mapping[str, Any]
    candidates: Sequence[Mapping[str, Any]]
    chosen: Mapping[str, Any] | None
    rule_versions: Sequence[Mapping[str, Any]]
    certificates: Sequence[Mapping[str, Any]]
    assessments: Sequence[Mapping[str, Any]] = ()
    facts_id: UUID | None = None


def allocate_many(*, promises: Sequence[Promise], now: datetime) -> list[Allocation]:
    """Promise taken devices to queued instances and send them provisioning; the allocations in the same order, rank by rank.

    The caller has taken the devices (`inventory.stock.take_devices`) and locked the instances in this transaction.
    """
    for promise in promises:
        instance = promise.instance
        instance.attempt += 1
        instance.conditions["CapacityAllocated"] = condition(status="True", reason="Allocated", now=now)
        instance.conditions["PodsReady"] = condition(status="False", reason="Provisioning", now=now)
    self_metering = _list_self_metering({node.stock_id for promise in promises for node in promise.nodes})
    allocations = [
        Allocation(
            tenant_id=promise.instance.tenant_id,
            instance=promise.instance,
            attempt=promise.instance.attempt,
            rank=rank,
            stock_id=node.stock_id,
            term_id=node.term_id,
            devices=node.devices,
            cpu_millis=node.cpu_millis,
            memory_mib=node.memory_mib,
            is_node_dedicated=promise.is_node_dedicated,
            metered_by=MeteredBy.SITE if node.stock_id in self_metering else MeteredBy.ONDOL,
            allocated_at=now,
        )
        for promise in promises
        for rank, node in enumerate(promise.nodes)
    ]
    Allocation.objects.bulk_create(allocations)
    StartEstimate.objects.filter(
        instance_id__in=[row.instance_id for row in allocations], started_at__isnull=True
    ).update(started_at=now)
    _move_placed([promise.instance for promise in promises], now=now)
    return allocations


def _list_self_metering(stock_ids: Collection[UUID]) -> set[UUID]:
    """Those of the stocks whose site meters itself; one query."""
    rows = NodeStock.objects.filter(id__in=stock_ids, node__cluster__site__metered_by=MeteredBy.SITE)
    return set(rows.values_list("id", flat=True))


def record_waiting_many(*, news: Sequence[WaitNews], now: datetime) -> set[UUID]:
    """Keep why queued instances wait, with the numbers; the instances whose reason is another than before."""
    changed: set[UUID] = set()
    for item in news:
        instance = item.instance
        if instance.conditions.get("CapacityAllocated", {}).get("reason") != item.reason:
            changed.add(instance.id)
        instance.conditions["CapacityAllocated"] = condition(
            status="False", reason=item.reason, now=now, facts=item.facts
        )
        if not item.is_reserved:
            instance.reserved_since = None
        elif instance.reserved_since is None:
            instance.reserved_since = now
        instance.revision += 1
    Instance.objects.bulk_update([item.instance for item in news], ["conditions", "reserved_since", "revision"])
    return changed


def record_decisions(*, decisions: Sequence[tuple[Instance, DecisionRecord]], now: datetime) -> None:
    """Append placement decisions."""
    PlacementDecision.objects.bulk_create(
        PlacementDecision(
            tenant_id=instance.tenant_id,
            instance=instance,
            attempt=instance.attempt,
            outcome=record.outcome,
            reason=record.reason,
            inputs=dict(record.inputs),
            candidates=[dict(candidate) for candidate in record.candidates],
            chosen=dict(record.chosen) if record.chosen else None,
            rule_versions=[dict(version) for version in record.rule_versions],
            certificates=[dict(certificate) for certificate in record.certificates],
            assessments=[dict(assessment) for assessment in record.assessments],
            facts_id=record.facts_id,
            decided_at=now,
        )
        for instance, record in decisions
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Where a waiting instance stands.

    Attributes:
        attempt: The placement that the wait will end with.
        position: None when time alone cannot make room for it.
        p50_at, p90_at: Probable and almost certain start; None = nobody can tell.
    """

    instance_id: UUID
    tenant_id: UUID
    attempt: int
    position: int | None
    p50_at: datetime | None
    p90_at: datetime | None


_FORECAST = """
UPDATE instances_instance SET queue_position = %s, start_p50_at = %s, start_p90_at = %s WHERE id = %s AND state = 'queued'
"""


def record_forecasts(*, forecasts: Sequence[Forecast], now: datetime) -> None:
    """Keep positions and estimates; the first estimate of a wait is also kept to be scored. Safe to repeat."""
    with connection.cursor() as cursor:
        ordered = sorted(forecasts, key=lambda item: item.instance_id)
        cursor.executemany(_FORECAST, [(item.position, item.p50_at, item.p90_at, item.instance_id) for item in ordered])
    StartEstimate.objects.bulk_create(
        (
            StartEstimate(
                tenant_id=item.tenant_id,
                instance_id=item.instance_id,
                attempt=item.attempt,
                estimated_at=now,
                p50_at=item.p50_at,
                p90_at=item.p90_at,
            )
            for item in forecasts
            if item.p90_at is not None
        ),
        ignore_conflicts=True,
    )


def give_up_waiting(
    *, instance_id: UUID, reason: Reason, now: datetime, actor_name: str = "admitter", detail: str = ""
) -> bool:
    """End a queued instance whose wait is over (`max_wait_s`, or the operator's expiry); whether it was still queued.

    Safe to repeat. Locks the instance's quota rows, then the instance.
    """
    lock_held_quotas(holder_id=instance_id)
    instance = lock_instance(instance_id=instance_id)
    if instance is None or instance.state != State.QUEUED:
        return False
    instance.goal = Goal.END
    release_quota(holder_id=instance.id, now=now)
    instance.ended_at = now
    _move(
        instance, to_state=State.ENDED, trigger="admitter" if actor_name == "admitter" else "operator", reason=reason,
        actor_name=actor_name, detail=detail, occurred_at=now, now=now, also=("goal", "ended_at"),
    )  # fmt: skip
    return True

"""What the admitter writes: a place, the reason to wait, the decision behind either, the end of waiting."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.instances.models import Allocation, DecisionOutcome, Instance, PlacementDecision
from marketplace.instances.operations.moving import _move, condition, lock_instance
from marketplace.instances.states import Goal, Reason, State
from marketplace.quotas.operations import lock_held_quotas, release_quota


def allocate(
    *,
    instance: Instance,
    term_id: UUID,
    stock_id: UUID,
    cpu_millis: int,
    memory_mib: int,
    now: datetime,
) -> Allocation:
    """Promise taken devices to a queued instance and send it provisioning.

    The caller has taken the devices (`inventory.stock.take_devices`) and locked the instance in this transaction.
    """
    instance.attempt += 1
    allocation = Allocation.objects.create(
        tenant_id=instance.tenant_id,
        instance=instance,
        attempt=instance.attempt,
        stock_id=stock_id,
        term_id=term_id,
        devices=instance.devices,
        cpu_millis=cpu_millis,
        memory_mib=memory_mib,
        allocated_at=now,
    )
    instance.conditions["CapacityAllocated"] = condition(status="True", reason="Allocated", now=now)
    instance.conditions["PodsReady"] = condition(status="False", reason="Provisioning", now=now)
    _move(
        instance, to_state=State.PROVISIONING, trigger="admitter", reason=Reason.PLACED, actor_name="admitter",
        occurred_at=now, now=now,
    )  # fmt: skip
    return allocation


def record_waiting(*, instance: Instance, reason: str, facts: Mapping[str, Any], now: datetime) -> bool:
    """Keep why a queued instance waits, with its numbers; whether the reason is news. The caller has locked the instance."""
    previous = instance.conditions.get("CapacityAllocated", {})
    is_news: bool = previous.get("reason") != reason
    if is_news or previous.get("facts") != dict(facts):
        instance.conditions["CapacityAllocated"] = condition(status="False", reason=reason, now=now, facts=facts)
        instance.revision += 1
        instance.save(update_fields=["conditions", "revision"])
    return is_news


def record_decision(
    *,
    instance: Instance,
    outcome: DecisionOutcome,
    reason: str,
    inputs: Mapping[str, Any],
    candidates: Sequence[Mapping[str, Any]],
    chosen: Mapping[str, Any] | None,
    rule_versions: Sequence[Mapping[str, Any]],
    certificates: Sequence[Mapping[str, Any]],
    now: datetime,
) -> PlacementDecision:
    """Append a placement decision with everything it was decided on."""
    return PlacementDecision.objects.create(
        tenant_id=instance.tenant_id,
        instance=instance,
        attempt=instance.attempt,
        outcome=outcome,
        reason=reason,
        inputs=dict(inputs),
        candidates=[dict(candidate) for candidate in candidates],
        chosen=dict(chosen) if chosen else None,
        rule_versions=[dict(version) for version in rule_versions],
        certificates=[dict(certificate) for certificate in certificates],
        decided_at=now,
    )


def give_up_waiting(*, instance_id: UUID, reason: Reason, now: datetime) -> bool:
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
        instance, to_state=State.ENDED, trigger="admitter", reason=reason, actor_name="admitter", occurred_at=now, now=now,
        also=("goal", "ended_at"),
    )  # fmt: skip
    return True

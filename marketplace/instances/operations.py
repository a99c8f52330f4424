"""Every write of an instance: create it, want something of it, record what happened to it.

`_move` is the only function that assigns `state`: it checks the table of moves, appends the transition and hints after commit.
Functions that record what a cluster showed may be called any number of times, in any order and late: they look at the attempt
and the state under the instance's lock and do nothing when the news is old.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.utils.translation import gettext_lazy as _

from marketplace.instances import states
from marketplace.instances.models import (
    Allocation,
    DecisionOutcome,
    Instance,
    InstanceTerm,
    PlacementDecision,
    Transition,
)
from marketplace.instances.states import Action, Goal, Reason, State
from marketplace.inventory import stock
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import OndolError
from marketplace.kernel.hints import hint
from marketplace.quotas.operations import lock_held_quotas, release_quota


class MoveNotAllowed(AssertionError):
    """A programming error: the table of moves forbids it."""


class InvalidState(OndolError):
    """The action is not possible in the instance's present state."""

    code = "invalid_state"
    http_status = 409
    title = _("The instance is %(state)s; the action %(action)s is not possible now.")
    remedy = _("Look at allowed_actions of the instance and try again when it lists the action.")


class DeletionProtected(OndolError):
    """The customer protected the instance against ending."""

    code = "deletion_protected"
    http_status = 409
    title = _("The instance is protected against deletion.")
    remedy = _("Remove the deletion protection first, then end the instance.")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSpec:
    """What a customer asks for; texts are passed on as plain strings and never become structure."""

    name: str
    kind: str
    accelerators: Sequence[str]
    devices: int
    image: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] | None = None
    ssh_public_keys: Sequence[str] = ()
    offer_ids: Sequence[UUID] = ()
    max_price_micros: int | None = None
    max_duration_s: int | None = None
    max_wait_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedTerm:
    """One offer's price as agreed at rent."""

    offer_id: UUID
    seller_id: UUID
    selling_mode: str
    price_version_id: UUID
    price_micros_per_device_hour: int


def create_instance(
    *,
    actor: Actor,
    instance_id: UUID,
    tenant_id: UUID,
    project_id: UUID,
    spec: InstanceSpec,
    terms: Sequence[AgreedTerm],
    now: datetime,
) -> Instance:
    """Write a queued instance with its agreed terms, its first transition and its audit entry.

    Requires an open transaction in which quota was taken for `instance_id`.
    """
    instance = Instance.objects.create(
        id=instance_id,
        tenant_id=tenant_id,
        project_id=project_id,
        name=spec.name,
        kind=spec.kind,
        accelerators=list(spec.accelerators),
        devices=spec.devices,
        offer_ids=list(spec.offer_ids),
        image=spec.image,
        command=list(spec.command),
        environment=dict(spec.environment or {}),
        ssh_public_keys=list(spec.ssh_public_keys),
        max_price_micros=spec.max_price_micros,
        max_duration_s=spec.max_duration_s,
        max_wait_s=spec.max_wait_s,
        state_changed_at=now,
        queued_at=now,
        conditions={
            "PolicySatisfied": condition(status="True", reason="Permitted", now=now),
            "QuotaReserved": condition(status="True", reason="Reserved", now=now),
            "CapacityAllocated": condition(status="False", reason="Queued", now=now),
        },
        created_by_id=actor.user_id,
        created_by_name=actor.name,
        created_at=now,
    )
    InstanceTerm.objects.bulk_create(
        InstanceTerm(
            tenant_id=tenant_id,
            instance=instance,
            offer_id=term.offer_id,
            seller_id=term.seller_id,
            selling_mode=term.selling_mode,
            price_version_id=term.price_version_id,
            price_micros_per_device_hour=term.price_micros_per_device_hour,
            agreed_at=now,
        )
        for term in terms
    )
    _append_transition(
        instance, from_state="", trigger="rent", reason=Reason.RENTED, actor_name=actor.name, occurred_at=now
    )
    record_act(
        actor=actor, action="instance.rented", object_type="ins", object_id=instance.id, tenant_id=tenant_id, now=now,
        changes={"devices": spec.devices, "accelerators": list(spec.accelerators)},
    )  # fmt: skip
    hint("instance.queued", instance.id)
    return instance


def condition(*, status: str, reason: str, now: datetime, facts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A condition as stored: the sentence is made from reason and facts when it is read, in the reader's language."""
    return {"status": status, "reason": reason, "facts": dict(facts or {}), "at": now.isoformat()}


def lock_instance(*, instance_id: UUID) -> Instance | None:
    """The instance, locked until the open transaction ends; None when it is not visible to the actor."""
    return Instance.objects.select_for_update(no_key=True).filter(id=instance_id).first()


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


def record_started(
    *, instance_id: UUID, attempt: int, started_at: datetime, reported_at: datetime, now: datetime
) -> bool:
    """The main container runs since `started_at` (clamped and floored; `reported_at` as the cluster said): the meter starts.

    Safe to repeat; False and nothing written for an older attempt or when it is not provisioning. Locks the instance.
    """
    instance = lock_instance(instance_id=instance_id)
    if instance is None or instance.attempt != attempt or instance.state != State.PROVISIONING:
        return False
    instance.started_at = started_at
    instance.conditions["PodsReady"] = condition(status="True", reason="Running", now=now)
    _move(
        instance, to_state=State.RUNNING, trigger="reconciler", reason=Reason.STARTED, actor_name="reconciler",
        occurred_at=started_at, reported_at=reported_at, now=now, also=("started_at",),
    )  # fmt: skip
    return True


def begin_stopping(
    *,
    instance_id: UUID,
    attempt: int,
    reason: Reason,
    occurred_at: datetime,
    now: datetime,
    reported_at: datetime | None = None,
    detail: str = "",
    trigger: str = "reconciler",
) -> bool:
    """Something other than a customer ends the run: the meter ends at `occurred_at` (clamped and floored).

    Safe to repeat; False and nothing written for an older attempt or when it is neither provisioning nor running. Locks the
    instance. Devices and quota come back with `record_gone`.
    """
    instance = lock_instance(instance_id=instance_id)
    if instance is None or instance.attempt != attempt or instance.state not in (State.PROVISIONING, State.RUNNING):
        return False
    instance.conditions["PodsReady"] = condition(status="False", reason=reason.value, now=now, facts={"detail": detail})
    _move(
        instance, to_state=State.STOPPING, trigger=trigger, reason=reason, actor_name=trigger,
        occurred_at=occurred_at, reported_at=reported_at, detail=detail, now=now,
    )  # fmt: skip
    return True


def record_gone(*, instance_id: UUID, attempt: int, now: datetime) -> State | None:
    """Every pod of the attempt is gone: give devices back, then stop, end or queue again by what is wanted.

    Safe to repeat; None and nothing written for an older attempt or when it is not stopping. Locks quota rows, node, instance,
    in this order.
    """
    allocations = list(
        Allocation.objects.filter(instance_id=instance_id, attempt=attempt, released_at__isnull=True).order_by("rank")
    )
    lock_held_quotas(holder_id=instance_id)
    stock.lock_nodes(stock_ids=[allocation.stock_id for allocation in allocations])
    instance = lock_instance(instance_id=instance_id)
    if instance is None or instance.attempt != attempt or instance.state != State.STOPPING:
        return None
    for allocation in allocations:
        if Allocation.objects.filter(id=allocation.id, released_at__isnull=True).update(released_at=now):
            stock.release_devices(
                stock_id=allocation.stock_id,
                devices=allocation.devices,
                cpu_millis=allocation.cpu_millis,
                memory_mib=allocation.memory_mib,
            )
    to_state = states.next_after_gone(
        goal=Goal(instance.goal),
        reason=Reason(instance.state_reason),
        has_volumes=False,
        attempts=instance.attempt,
        attempts_max=settings.ATTEMPTS_MAX,
    )
    _leave_stopping(instance, to_state=to_state, now=now)
    return to_state


def _leave_stopping(instance: Instance, *, to_state: State, now: datetime) -> None:
    reason = Reason(instance.state_reason)
    also: tuple[str, ...] = ()
    instance.conditions["CapacityAllocated"] = condition(status="False", reason="Released", now=now)
    if to_state is State.QUEUED:
        instance.queued_at = now
        also = ("queued_at",)
        instance.conditions["CapacityAllocated"] = condition(status="False", reason="Queued", now=now)
    else:
        release_quota(holder_id=instance.id, now=now)
        instance.conditions["QuotaReserved"] = condition(status="False", reason="Released", now=now)
    if to_state is State.ENDED:
        instance.ended_at = now
        also = (*also, "ended_at")
    _move(
        instance, to_state=to_state, trigger="reconciler", reason=reason, actor_name="reconciler", occurred_at=now, now=now,
        also=also,
    )  # fmt: skip
    if to_state is State.QUEUED:
        hint("instance.queued", instance.id)


def want_stop_or_end(*, actor: Actor, instance_id: UUID, goal: Goal, now: datetime) -> Instance | None:
    """A customer (or the operator) wants the instance stopped or ended; accepted at `now`, which is where the meter ends.

    Safe to repeat: wanting the same again changes nothing. None when the instance is not visible to the actor.

    Raises:
        InvalidState: It has ended, or is already on its way to its end.
        DeletionProtected: It is protected and `goal` is end.

    Locks the instance's quota rows, then the instance.
    """
    action = Action.STOP if goal is Goal.STOP else Action.END
    lock_held_quotas(holder_id=instance_id)
    instance = lock_instance(instance_id=instance_id)
    if instance is None:
        return None
    state = State(instance.state)
    if goal is Goal.END and instance.is_deletion_protected:
        raise DeletionProtected
    if action not in states.allowed_actions(state=state, goal=Goal(instance.goal)):
        raise _invalid_state(instance, action)
    instance.goal = goal
    instance.stop_accepted_at = instance.stop_accepted_at or now
    reason = Reason.STOP_REQUESTED if goal is Goal.STOP else Reason.END_REQUESTED
    if state in (State.QUEUED, State.STOPPED):
        _rest(instance, goal=goal, reason=reason, actor=actor, now=now)
    elif state in (State.PROVISIONING, State.RUNNING):
        instance.conditions["PodsReady"] = condition(status="False", reason=reason.value, now=now)
        _move(
            instance, to_state=State.STOPPING, trigger="customer", reason=reason, actor_name=actor.name,
            occurred_at=_stop_instant(instance, now), reported_at=now, now=now, also=("goal", "stop_accepted_at"),
        )  # fmt: skip
    else:
        instance.revision += 1
        instance.save(update_fields=["goal", "stop_accepted_at", "revision"])
    record_act(
        actor=actor, action=f"instance.{action.value}_requested", object_type="ins", object_id=instance.id,
        tenant_id=instance.tenant_id, now=now,
    )  # fmt: skip
    return instance


def _stop_instant(instance: Instance, now: datetime) -> datetime:
    """Metering rule: floored to the second, never before the start."""
    floored = clock.floor_to_second(now)
    return max(floored, instance.started_at) if instance.state == State.RUNNING and instance.started_at else floored


def _rest(instance: Instance, *, goal: Goal, reason: Reason, actor: Actor, now: datetime) -> None:
    """From the queue or from stopped straight to rest: there are no pods to wait for."""
    to_state = State.STOPPED if goal is Goal.STOP else State.ENDED
    if instance.state == State.QUEUED:
        release_quota(holder_id=instance.id, now=now)
        instance.conditions["QuotaReserved"] = condition(status="False", reason="Released", now=now)
        instance.conditions["CapacityAllocated"] = condition(status="False", reason="Released", now=now)
    also = ["goal", "stop_accepted_at"]
    if to_state is State.ENDED:
        instance.ended_at = now
        also.append("ended_at")
    _move(
        instance, to_state=to_state, trigger="customer", reason=reason, actor_name=actor.name, occurred_at=now, now=now,
        also=tuple(also),
    )  # fmt: skip


def resume(*, actor: Actor, instance: Instance, now: datetime) -> Instance:
    """Queue a stopped instance again on its stored terms; the caller has taken quota and locked it.

    Raises:
        InvalidState: It is not stopped.
    """
    if instance.state != State.STOPPED or instance.goal == Goal.END:
        raise _invalid_state(instance, Action.START)
    instance.goal = Goal.RUN
    instance.stop_accepted_at = None
    instance.queued_at = now
    instance.conditions["QuotaReserved"] = condition(status="True", reason="Reserved", now=now)
    instance.conditions["CapacityAllocated"] = condition(status="False", reason="Queued", now=now)
    _move(
        instance, to_state=State.QUEUED, trigger="customer", reason=Reason.RESUMED, actor_name=actor.name,
        occurred_at=now, now=now, also=("goal", "stop_accepted_at", "queued_at"),
    )  # fmt: skip
    record_act(
        actor=actor, action="instance.start_requested", object_type="ins", object_id=instance.id,
        tenant_id=instance.tenant_id, now=now,
    )  # fmt: skip
    hint("instance.queued", instance.id)
    return instance


def give_up_waiting(*, instance: Instance, reason: Reason, now: datetime) -> None:
    """End a queued instance whose wait is over (`max_wait_s`, or the operator's expiry). The caller has locked it."""
    instance.goal = Goal.END
    release_quota(holder_id=instance.id, now=now)
    instance.ended_at = now
    _move(
        instance, to_state=State.ENDED, trigger="admitter", reason=reason, actor_name="admitter", occurred_at=now, now=now,
        also=("goal", "ended_at"),
    )  # fmt: skip


def change_instance(
    *, actor: Actor, instance: Instance, name: str | None, is_deletion_protected: bool | None, now: datetime
) -> Instance:
    """Rename or (un)protect; audited with before and after. The caller has locked the instance."""
    wanted = {"name": name, "is_deletion_protected": is_deletion_protected}
    changes = {
        field: [getattr(instance, field), value]
        for field, value in wanted.items()
        if value is not None and getattr(instance, field) != value
    }
    for field, (_before, after) in changes.items():
        setattr(instance, field, after)
    if changes:
        instance.revision += 1
        instance.save(update_fields=[*changes, "revision"])
        record_act(
            actor=actor, action="instance.changed", object_type="ins", object_id=instance.id,
            tenant_id=instance.tenant_id, now=now, changes=changes,
        )  # fmt: skip
    return instance


def _invalid_state(instance: Instance, action: Action) -> InvalidState:
    allowed = states.allowed_actions(state=State(instance.state), goal=Goal(instance.goal))
    return InvalidState(
        facts={"state": instance.state, "action": action.value},
        details={"allowed_actions": [item.value for item in allowed]},
    )


def _move(
    instance: Instance,
    *,
    to_state: State,
    trigger: str,
    reason: Reason,
    actor_name: str,
    occurred_at: datetime,
    now: datetime,
    reported_at: datetime | None = None,
    detail: str = "",
    also: tuple[str, ...] = (),
) -> None:
    """Make one move of a locked instance: check, save, append the transition, hint after commit.

    Args:
        also: Further fields that the caller changed and that are saved with the move.
    """
    from_state = State(instance.state)
    if not states.can_move(from_state=from_state, to_state=to_state):
        message = f"{instance.id}: {from_state} → {to_state} is not in the table of moves"
        raise MoveNotAllowed(message)
    instance.state = to_state
    instance.state_reason = reason
    instance.state_changed_at = now
    instance.revision += 1
    instance.save(
        update_fields=["state", "state_reason", "state_changed_at", "conditions", "attempt", "revision", *also]
    )
    _append_transition(
        instance,
        from_state=from_state,
        trigger=trigger,
        reason=reason,
        actor_name=actor_name,
        occurred_at=occurred_at,
        reported_at=reported_at,
        detail=detail,
    )
    hint("instance.moved", instance.id)
    if to_state in (State.PROVISIONING, State.STOPPING):
        hint("instance.due", instance.id)


def _append_transition(
    instance: Instance,
    *,
    from_state: str,
    trigger: str,
    reason: Reason,
    actor_name: str,
    occurred_at: datetime,
    reported_at: datetime | None = None,
    detail: str = "",
) -> None:
    Transition.objects.create(
        id=ids.new_id(),
        tenant_id=instance.tenant_id,
        instance=instance,
        attempt=instance.attempt,
        from_state=from_state,
        to_state=instance.state,
        trigger=trigger,
        reason=reason,
        detail=detail[:2000],
        actor_name=actor_name,
        occurred_at=occurred_at,
        reported_at=reported_at,
    )


OVERDUE_PER_SWEEP_MAX = 200
"""Instances one sweep stops; at five seconds a sweep, 2,400 a minute."""


def stop_overdue(*, now: datetime) -> int:
    """Begin to stop running instances that reached their maximum duration; how many. Safe to repeat.

    The meter ends at the instant the duration was reached, not when the sweep noticed. Locks each instance, in order of id.
    """
    overdue = (
        Instance.objects.filter(state=State.RUNNING, max_duration_s__isnull=False)
        .annotate(
            due_at=ExpressionWrapper(
                F("started_at") + F("max_duration_s") * timedelta(seconds=1), output_field=DateTimeField()
            )
        )
        .filter(due_at__lte=now)
        .order_by("id")
        .values_list("id", "attempt", "due_at")[:OVERDUE_PER_SWEEP_MAX]
    )
    stopped = 0
    for instance_id, attempt, due_at in overdue:
        stopped += begin_stopping(
            instance_id=instance_id,
            attempt=attempt,
            reason=Reason.MAX_DURATION_REACHED,
            occurred_at=clock.floor_to_second(due_at),
            now=now,
            trigger="expiry",
        )
    return stopped

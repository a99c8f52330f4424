"""What people ask of an instance: stop, end, start again, rename, protect."""

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from marketplace.instances import states
from marketplace.instances.models import Instance
from marketplace.instances.operations.moving import _move, condition, lock_instance
from marketplace.instances.states import Action, Goal, Reason, State
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import OndolError
from marketplace.kernel.hints import hint
from marketplace.quotas.operations import lock_held_quotas, release_quota


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


def want_stop_or_end(
    *, actor: Actor, instance_id: UUID, goal: Goal, now: datetime, reason: Reason | None = None
) -> Instance | None:
    """A customer (or the operator) wants the instance stopped or ended; accepted at `now`, which is where the meter ends.

    Safe to repeat: wanting the same again changes nothing. None when the instance is not visible to the actor.

    Args:
        reason: Why, where it was not asked for by a person.

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
    trigger = "customer" if reason is None else "watch"
    reason = reason or (Reason.STOP_REQUESTED if goal is Goal.STOP else Reason.END_REQUESTED)
    if state in (State.QUEUED, State.STOPPED):
        _rest(instance, goal=goal, reason=reason, trigger=trigger, actor=actor, now=now)
    elif state in (State.PROVISIONING, State.RUNNING):
        instance.conditions["PodsReady"] = condition(status="False", reason=reason.value, now=now)
        _move(
            instance, to_state=State.STOPPING, trigger=trigger, reason=reason, actor_name=actor.name,
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


def _rest(instance: Instance, *, goal: Goal, reason: Reason, trigger: str, actor: Actor, now: datetime) -> None:
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
        instance, to_state=to_state, trigger=trigger, reason=reason, actor_name=actor.name, occurred_at=now, now=now,
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

"""The one function that assigns an instance's state, and what every write needs around it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.instances import states
from marketplace.instances.models import Instance, Transition
from marketplace.instances.states import Reason, State
from marketplace.kernel import ids
from marketplace.kernel.hints import hint


class MoveNotAllowed(AssertionError):
    """A programming error: the table of moves forbids it."""


def lock_instance(*, instance_id: UUID) -> Instance | None:
    """The instance, locked until the open transaction ends; None when it is not visible to the actor."""
    return Instance.objects.select_for_update(no_key=True).filter(id=instance_id).first()


def condition(*, status: str, reason: str, now: datetime, facts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A condition as stored: the sentence is made from reason and facts when it is read, in the reader's language."""
    return {"status": status, "reason": reason, "facts": dict(facts or {}), "at": now.isoformat()}


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

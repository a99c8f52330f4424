"""The one function that assigns an instance's state, and what every write needs around it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from marketplace.instances import states
from marketplace.instances.models import Instance, Transition
from marketplace.instances.states import Goal, Reason, State
from marketplace.kernel import ids
from marketplace.kernel.hints import hint


class MoveNotAllowed(AssertionError):
    """A programming error: the table of moves forbids it."""


def lock_instance(*, instance_id: UUID) -> Instance | None:
    """The instance, locked until the open transaction ends; None when it is not visible to the actor."""
    return Instance.objects.select_for_update(no_key=True).filter(id=instance_id).first()


def lock_queued_instances(*, instance_ids: Sequence[UUID]) -> dict[UUID, Instance]:
    """Those of the instances that are still queued and wanted, with project, locked by id until the open transaction ends."""
    rows = (
        Instance.objects.select_for_update(no_key=True, of=("self",))
        .select_related("project")
        .filter(id__in=instance_ids, state=State.QUEUED, goal=Goal.RUN)
    )
    return {row.id: row for row in rows.order_by("id")}


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
    from_state = _assign(instance, to_state=to_state, reason=reason, now=now)
    instance.save(update_fields=[*_MOVED_FIELDS, *also])
    _append_transition(
        instance,
        from_state=from_state,
        trigger=trigger,
        reason=reason,
        actor_name=actor_name,
        occurred_at=occurred_at,
        reported_at=reported_at,
        recorded_at=now,
        detail=detail,
    )
    _hint_moved(instance)


_MOVED_FIELDS: Final = ("state", "state_reason", "state_changed_at", "conditions", "attempt", "revision")
_PLACE: Final = """
UPDATE instances_instance SET state = %s, state_reason = %s, state_changed_at = %s, conditions = %s, attempt = %s, revision = %s,
    reserved_since = NULL, queue_position = NULL, start_p50_at = NULL, start_p90_at = NULL
WHERE id = %s
"""


def _move_placed(instances: Sequence[Instance], *, now: datetime) -> None:
    """Move many locked, queued instances to provisioning at once, as `_move` would one by one."""
    moves = [(row, _assign(row, to_state=State.PROVISIONING, reason=Reason.PLACED, now=now)) for row in instances]
    with connection.cursor() as cursor:
        cursor.executemany(
            _PLACE,
            [
                (row.state, row.state_reason, now, json.dumps(row.conditions), row.attempt, row.revision, row.id)
                for row in instances
            ],
        )
    Transition.objects.bulk_create(
        _transition(
            row,
            from_state=from_state,
            trigger="admitter",
            reason=Reason.PLACED,
            actor_name="admitter",
            occurred_at=now,
            recorded_at=now,
        )
        for row, from_state in moves
    )
    for row in instances:
        # Not `instance.moved`: a placement is nothing to the meter, and a task per placement that finds nothing is not cheap.
        hint("instance.due", row.id)


def _assign(instance: Instance, *, to_state: State, reason: Reason, now: datetime) -> State:
    """Check the table of moves and assign; the state it was in."""
    from_state = State(instance.state)
    if not states.can_move(from_state=from_state, to_state=to_state):
        message = f"{instance.id}: {from_state} → {to_state} is not in the table of moves"
        raise MoveNotAllowed(message)
    instance.state = to_state
    instance.state_reason = reason
    instance.state_changed_at = now
    instance.revision += 1
    return from_state


def _hint_moved(instance: Instance) -> None:
    hint("instance.moved", instance.id)
    if instance.state in (State.PROVISIONING, State.STOPPING):
        hint("instance.due", instance.id)


def _append_transition(instance: Instance, **move: Any) -> None:
    _transition(instance, **move).save(force_insert=True)


def _transition(
    instance: Instance,
    *,
    from_state: str,
    trigger: str,
    reason: Reason,
    actor_name: str,
    occurred_at: datetime,
    recorded_at: datetime,
    reported_at: datetime | None = None,
    detail: str = "",
) -> Transition:
    return Transition(
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
        recorded_at=recorded_at,
        reported_at=reported_at,
    )

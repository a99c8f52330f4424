"""Schedules: set and removed by people, carried out by the clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from marketplace.instances.models import Instance, Schedule
from marketplace.instances.operations.moving import condition, lock_instance
from marketplace.instances.schedules import RETRY_EVERY, RETRY_FOR, ScheduleAction, next_turn
from marketplace.instances.states import State
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act

SCHEDULED_START = "ScheduledStart"
"""The condition that says why a stopped instance was not started by its schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSpec:
    """What is wanted, as checked by the journey."""

    action: ScheduleAction
    at: time
    weekdays: Sequence[int] = ()
    on: date | None = None


def create_schedule(*, actor: Actor, instance: Instance, spec: ScheduleSpec, now: datetime) -> Schedule:
    """Write a schedule; audited. The caller has locked the instance."""
    schedule = Schedule.objects.create(
        tenant_id=instance.tenant_id,
        instance=instance,
        action=spec.action.value,
        at=spec.at,
        weekdays=sorted(set(spec.weekdays)),
        on=spec.on,
        next_at=next_turn(at=spec.at, weekdays=spec.weekdays, on=spec.on, after=now),
        created_by_id=actor.user_id,
        created_by_name=actor.name,
        created_at=now,
    )
    record_act(
        actor=actor, action="schedule.created", object_type="sch", object_id=schedule.id, tenant_id=instance.tenant_id,
        now=now, changes={"action": spec.action.value, "at": f"{spec.at:%H:%M}", "weekdays": schedule.weekdays},
    )  # fmt: skip
    return schedule


def remove_schedule(*, actor: Actor, schedule: Schedule, now: datetime) -> None:
    """Never act again; audited. Safe to repeat."""
    if not Schedule.objects.filter(id=schedule.id, removed_at__isnull=True).update(removed_at=now, next_at=None):
        return
    record_act(
        actor=actor, action="schedule.removed", object_type="sch", object_id=schedule.id, tenant_id=schedule.tenant_id,
        now=now,
    )  # fmt: skip


def claim_schedule(*, schedule_id: UUID, now: datetime) -> Schedule | None:
    """Take a due schedule's turn, so that nobody else does; None when somebody has. Locks the row, skipping locked ones.

    The next turn, if the instance has not ended, is set at once: whatever happens after the commit, this turn is not taken twice.
    """
    rows = Schedule.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).select_related("instance")
    schedule = rows.filter(id=schedule_id, next_at__lte=now, removed_at__isnull=True).first()
    if schedule is None:
        return None
    schedule.last_at = schedule.next_at
    is_over = schedule.instance.state == State.ENDED
    following = next_turn(at=schedule.at, weekdays=schedule.weekdays, on=schedule.on, after=now)
    schedule.next_at = None if is_over else following
    schedule.save(update_fields=["last_at", "next_at"])
    return schedule


def record_schedule_outcome(*, schedule: Schedule, outcome: str) -> None:
    """What came of a turn; ends the retries, and the instance's word of a refusal. Locks the instance."""
    schedule.last_outcome, schedule.retry_until = outcome[:60], None
    schedule.save(update_fields=["last_outcome", "retry_until"])
    instance = lock_instance(instance_id=schedule.instance_id)
    if instance is not None and instance.conditions.pop(SCHEDULED_START, None) is not None:
        instance.revision += 1
        instance.save(update_fields=["conditions", "revision"])


def record_refused_start(
    *, schedule: Schedule, reason: str, code: str, words: Mapping[str, str], now: datetime
) -> None:
    """A start was refused: say so on the instance, and try again for a while. Locks the instance.

    Args:
        words: `message_ko`, `message_en`, `remedy_ko`, `remedy_en`: the refusal with its numbers, as it was.
    """
    retry_until = schedule.retry_until or now + RETRY_FOR
    retry_at = now + RETRY_EVERY
    is_retried = retry_at <= retry_until
    schedule.last_outcome = code[:60]
    schedule.retry_until = retry_until if is_retried else None
    if is_retried and (schedule.next_at is None or retry_at < schedule.next_at):
        schedule.next_at = retry_at
    schedule.save(update_fields=["last_outcome", "retry_until", "next_at"])
    instance = lock_instance(instance_id=schedule.instance_id)
    if instance is None:
        return
    instance.conditions[SCHEDULED_START] = condition(
        status="False",
        reason=reason,
        now=now,
        facts={**words, "next_at": schedule.next_at.isoformat() if schedule.next_at else None},
    )
    instance.revision += 1
    instance.save(update_fields=["conditions", "revision"])

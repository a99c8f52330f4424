"""Start and stop an instance by the clock, in Korean time: set by people, carried out by a sweep."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from marketplace.instances.models import Instance, Schedule
from marketplace.instances.operations import (
    InvalidState,
    ScheduleSpec,
    claim_schedule,
    create_schedule,
    lock_instance,
    record_refused_start,
    record_schedule_outcome,
    remove_schedule,
)
from marketplace.instances.queries import get_instance, list_instances
from marketplace.instances.schedules import LATE_MAX, ScheduleAction, next_turn
from marketplace.instances.states import Action, State
from marketplace.journeys.stop import request_action
from marketplace.kernel.actors import Actor, ActorKind, as_actor, savepoint, system_actor
from marketplace.kernel.errors import NotFound, OndolError, ValidationFailed
from marketplace.quotas.queries import is_more_being_decided
from marketplace.scheduling.waiting import StartRefusal
from marketplace.tenants.access import require_permission

log = structlog.get_logger(__name__)

SCHEDULES_MAX: Final = 10
TURNS_PER_SWEEP_MAX: Final = 200
"""At thirty seconds a sweep, 400 turns a minute; what is left is due at the next sweep."""
CLOCK: Final = system_actor("schedule")
WEEKDAYS: Final = frozenset(range(1, 8))
LANGUAGES: Final = ("ko", "en")
_REFUSALS: Final = {
    "quota_exceeded": StartRefusal.QUOTA_EXCEEDED,
    "budget_exceeded": StartRefusal.BUDGET_EXCEEDED,
    "insufficient_balance": StartRefusal.BUDGET_EXCEEDED,
}


class TooManySchedules(ValidationFailed):
    """The instance has as many schedules as one may have."""

    code = "too_many_schedules"
    remedy = _("Remove a schedule that is no longer needed.")


def add_schedule(*, actor: Actor, instance_id: UUID, spec: ScheduleSpec, now: datetime) -> Schedule:
    """Start or stop the instance at a time of day; not repeatable by itself, the API's Idempotency-Key makes it so.

    Raises:
        NotFound: Unknown or not the actor's.
        Forbidden: The actor may not write instances.
        ValidationFailed: No day or two kinds of days, a wrong weekday, a date that is over.
        TooManySchedules: Ten are there.
        InvalidState: The instance has ended.

    Locks the instance.
    """
    require_permission(actor=actor, permission="instances.write")
    get_instance(actor=actor, instance_id=instance_id)
    _check(spec, now=now)
    instance = lock_instance(instance_id=instance_id)
    if instance is None:
        raise NotFound
    if instance.state == State.ENDED:
        raise InvalidState(facts={"state": instance.state, "action": spec.action.value})
    if instance.schedules.filter(removed_at__isnull=True).count() >= SCHEDULES_MAX:
        reason = _("An instance has at most %(most)s schedules.")
        raise TooManySchedules(reason=reason % {"most": SCHEDULES_MAX}, pointer="/schedules")
    return create_schedule(actor=actor, instance=instance, spec=spec, now=now)


def _check(spec: ScheduleSpec, *, now: datetime) -> None:
    if bool(spec.weekdays) == (spec.on is not None):
        raise ValidationFailed(reason=_("Give either weekdays or one date."), pointer="/weekdays")
    if not set(spec.weekdays) <= WEEKDAYS:
        raise ValidationFailed(reason=_("Weekdays are numbers from 1 (Monday) to 7 (Sunday)."), pointer="/weekdays")
    if next_turn(at=spec.at, weekdays=spec.weekdays, on=spec.on, after=now) is None:
        raise ValidationFailed(reason=_("The date is over."), pointer="/date")


def drop_schedule(*, actor: Actor, instance_id: UUID, schedule_id: UUID, now: datetime) -> None:
    """Remove a schedule. Safe to repeat.

    Raises:
        NotFound: Unknown or not the actor's.
        Forbidden: The actor may not write instances.
    """
    require_permission(actor=actor, permission="instances.write")
    schedule = Schedule.objects.filter(instance_id=instance_id, id=schedule_id).first()
    if schedule is None or not list_instances(actor=actor).filter(id=instance_id).exists():
        raise NotFound
    remove_schedule(actor=actor, schedule=schedule, now=now)


def list_schedules(*, actor: Actor, instance_id: UUID) -> QuerySet[Schedule]:
    """The schedules of an instance that stand, the next to act first; none when it is not the actor's."""
    visible = list_instances(actor=actor).filter(id=instance_id).values("id")
    return Schedule.objects.filter(instance_id__in=visible, removed_at__isnull=True).order_by("next_at", "id")


def run_due_schedules(*, now: datetime) -> int:
    """Take every turn that is due, each in a transaction of its own; how many were taken. May run twice at once."""
    with as_actor(CLOCK):
        due = list(
            Schedule.objects.filter(next_at__lte=now, removed_at__isnull=True)
            .order_by("next_at")
            .values_list("id", "tenant_id", "created_by_id", "created_by_name")[:TURNS_PER_SWEEP_MAX]
        )
    return sum(
        _take_turn(schedule_id, _stand_in(tenant_id, user_id, name), now=now)
        for schedule_id, tenant_id, user_id, name in due
    )


def _stand_in(tenant_id: UUID, user_id: UUID | None, name: str) -> Actor:
    """Acts for whoever made the schedule, in their tenant and on their quota, and may do nothing else."""
    return Actor(
        kind=ActorKind.CUSTOMER,
        name=f"schedule of {name}"[:254],
        user_id=user_id,
        tenant_id=tenant_id,
        permissions=frozenset({"instances.write"}),
    )


def _take_turn(schedule_id: UUID, actor: Actor, *, now: datetime) -> bool:
    with as_actor(actor):
        schedule = claim_schedule(schedule_id=schedule_id, now=now)
        if schedule is None:
            return False
        if _is_pointless(schedule, now=now):
            record_schedule_outcome(schedule=schedule, outcome="nothing_to_do")
            return True
        try:
            with savepoint():
                request_action(actor=actor, instance_id=schedule.instance_id, action=Action(schedule.action), now=now)
        except OndolError as error:
            log.info("scheduled_action_refused", schedule=str(schedule.id), code=error.code)
            _record_refusal(schedule, error, actor=actor, now=now)
            return True
        record_schedule_outcome(schedule=schedule, outcome="done")
    return True


def _is_pointless(schedule: Schedule, *, now: datetime) -> bool:
    """Nothing to start or stop, or so late that nobody wants it any more; a retry is not late."""
    state = schedule.instance.state
    is_late = schedule.retry_until is None and schedule.last_at is not None and now - schedule.last_at > LATE_MAX
    wanted: Sequence[str] = (
        (State.STOPPED,) if schedule.action == ScheduleAction.START
        else (State.QUEUED, State.PROVISIONING, State.RUNNING)
    )  # fmt: skip
    return is_late or state not in wanted


def _record_refusal(schedule: Schedule, error: OndolError, *, actor: Actor, now: datetime) -> None:
    if schedule.action != ScheduleAction.START:
        record_schedule_outcome(schedule=schedule, outcome=error.code)
        return
    words: dict[str, str] = {}
    for language in LANGUAGES:
        with translation.override(language):
            words |= {f"message_{language}": error.message(), f"remedy_{language}": error.advice()}
    reason = _REFUSALS.get(error.code, StartRefusal.NOT_ALLOWED_NOW)
    if reason is StartRefusal.QUOTA_EXCEEDED and is_more_being_decided(actor=actor):
        reason = StartRefusal.APPROVAL_PENDING
    record_refused_start(schedule=schedule, reason=reason.value, code=error.code, words=words, now=now)


def find_refused_start(instance: Instance) -> tuple[str, dict[str, str]] | None:
    """Reason and numbers of a scheduled start that was refused and not made good since; None while there is none."""
    condition = instance.conditions.get("ScheduledStart")
    if condition is None or instance.state != State.STOPPED:
        return None
    return condition["reason"], condition["facts"]

"""Started and stopped by the clock, in Korean time: set by people, refused with a reason, tried again, never twice."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.utils import translation

from marketplace.instances.models import Instance, Schedule, Transition
from marketplace.instances.operations import InvalidState, ScheduleSpec, record_gone
from marketplace.instances.schedules import ScheduleAction, next_turn
from marketplace.instances.states import Action
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.diagnose import diagnose
from marketplace.journeys.preview_stop import preview_stop
from marketplace.journeys.schedule import TooManySchedules, add_schedule, drop_schedule, run_due_schedules
from marketplace.kernel.actors import as_actor
from marketplace.kernel.errors import NotFound, ValidationFailed
from marketplace.kernel.models import AuditEntry
from marketplace.quotas.models import Quota, QuotaRequest, SelectorKind
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as, run_instance

EVENING = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
"""18:00 in Seoul, a Tuesday."""
MORNING = datetime(2026, 11, 25, 0, 0, tzinfo=UTC)
"""09:00 in Seoul, the next day."""
EVERY_WORKING_DAY = (1, 2, 3, 4, 5)
STOP = ScheduleSpec(action=ScheduleAction.STOP, at=time(18, 0), weekdays=EVERY_WORKING_DAY)
START = ScheduleSpec(action=ScheduleAction.START, at=time(9, 0), weekdays=EVERY_WORKING_DAY)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("weekdays", "on", "after", "turn"),
    [
        (EVERY_WORKING_DAY, None, NOW, EVENING),
        (EVERY_WORKING_DAY, None, EVENING, EVENING + timedelta(days=1)),
        ((5,), None, datetime(2026, 11, 27, 9, 0, tzinfo=UTC), datetime(2026, 12, 4, 9, 0, tzinfo=UTC)),
        ((), date(2026, 11, 24), NOW, EVENING),
        ((), date(2026, 11, 24), EVENING, None),
        ((7,), None, datetime(2026, 12, 31, 14, 59, tzinfo=UTC), datetime(2027, 1, 3, 9, 0, tzinfo=UTC)),
    ],
)
def test_the_next_turn_is_by_the_clock_in_seoul(
    weekdays: tuple[int, ...], on: date | None, after: datetime, turn: datetime | None
) -> None:
    assert next_turn(at=time(18, 0), weekdays=weekdays, on=on, after=after) == turn


@pytest.fixture
def renter(db: None) -> Renter:
    """A bank on eight H200s with a quota of eight."""
    del db
    build_market()
    return add_renter(quota=8)


def add(renter: Renter, instance: Instance, spec: ScheduleSpec, *, now: datetime = NOW) -> Schedule:
    """Set a schedule in a transaction of its own."""
    with as_actor(renter.actor):
        return add_schedule(actor=renter.actor, instance_id=instance.id, spec=spec, now=now)


def fresh(instance: Instance) -> Instance:
    """As it stands in the database."""
    with as_actor(STAFF):
        return Instance.objects.get(id=instance.id)


def stop_by_schedule(renter: Renter) -> Instance:
    """A running instance that was stopped at 18:00 and whose pods are gone."""
    instance = run_instance(renter, started_at=NOW, ended_at=None, devices=8)
    add(renter, instance, STOP)
    add(renter, instance, START)
    assert run_due_schedules(now=EVENING) == 1
    with as_actor(STAFF):
        record_gone(instance_id=instance.id, attempt=1, now=EVENING + timedelta(seconds=5))
    return fresh(instance)


def test_it_stops_in_the_evening_once_and_in_the_name_of_who_set_it(renter: Renter) -> None:
    instance = stop_by_schedule(renter)
    assert run_due_schedules(now=EVENING + timedelta(seconds=30)) == 0
    assert (instance.state, instance.state_reason) == ("stopped", "stop_requested")
    with as_actor(STAFF):
        move = Transition.objects.get(instance=instance, to_state="stopping")
        schedule = Schedule.objects.get(action="stop")
    assert (move.actor_name, move.occurred_at) == ("schedule of test-key", EVENING)
    assert (schedule.last_outcome, schedule.last_at, schedule.next_at) == ("done", EVENING, EVENING + timedelta(days=1))


def test_it_starts_in_the_morning_and_takes_quota_again(renter: Renter) -> None:
    instance = stop_by_schedule(renter)
    assert run_due_schedules(now=MORNING) == 1
    assert fresh(instance).state == "queued"
    with as_actor(STAFF):
        assert Quota.objects.get().used == 8


def test_a_start_over_quota_says_so_in_both_languages_and_is_tried_again_for_an_hour(renter: Renter) -> None:
    instance = stop_by_schedule(renter)
    other = rent_as(renter, now=EVENING + timedelta(minutes=1), devices=1)
    assert run_due_schedules(now=MORNING) == 1
    with as_actor(renter.actor), translation.override("ko"):
        told = diagnose(actor=renter.actor, instance_id=instance.id).findings[0]
    assert (told.code, told.is_blocking, fresh(instance).state) == ("QuotaExceeded", True, "stopped")
    assert "8" in told.facts["message_en"]
    assert "쿼터" in told.facts["message_ko"]
    assert told.facts["message_ko"] in told.message
    with as_actor(STAFF):
        assert Schedule.objects.get(action="start").next_at == MORNING + timedelta(minutes=5)
        Quota.objects.update(limit=9)
    assert run_due_schedules(now=MORNING + timedelta(minutes=5)) == 1
    started = fresh(instance)
    assert (started.state, "ScheduledStart" in started.conditions) == ("queued", False)
    with as_actor(STAFF):
        schedule = Schedule.objects.get(action="start")
        assert Quota.objects.get().used == 9
    assert (schedule.last_outcome, schedule.retry_until, schedule.next_at) == (
        "done", None, MORNING + timedelta(days=1),
    )  # fmt: skip
    assert fresh(other).state == "queued"


def test_a_refused_start_says_that_more_is_being_decided(renter: Renter) -> None:
    instance = stop_by_schedule(renter)
    rent_as(renter, now=EVENING + timedelta(minutes=1), devices=1)
    with as_actor(STAFF):
        QuotaRequest.objects.create(
            tenant=renter.tenant, scope_id=renter.tenant.id, selector_kind=SelectorKind.ANY, wanted_limit=16,
            justification="야간 학습", asked_by_name="test", asked_at=EVENING, changed_at=EVENING,
        )  # fmt: skip
    run_due_schedules(now=MORNING)
    with as_actor(renter.actor):
        assert diagnose(actor=renter.actor, instance_id=instance.id).findings[0].code == "ApprovalPending"


def test_after_an_hour_of_refusals_the_next_day_is_waited_for(renter: Renter) -> None:
    stop_by_schedule(renter)
    rent_as(renter, now=EVENING + timedelta(minutes=1), devices=1)
    turns = sum(run_due_schedules(now=MORNING + timedelta(minutes=minute)) for minute in range(0, 180, 5))
    with as_actor(STAFF):
        schedule = Schedule.objects.get(action="start")
    assert (turns, schedule.next_at, schedule.last_outcome) == (13, MORNING + timedelta(days=1), "quota_exceeded")


def test_a_turn_that_nobody_was_there_to_take_is_left_out(renter: Renter) -> None:
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    add(renter, instance, STOP)
    assert run_due_schedules(now=EVENING + timedelta(hours=2)) == 1
    assert fresh(instance).state == "running"
    with as_actor(STAFF):
        assert Schedule.objects.get().last_outcome == "nothing_to_do"


@pytest.mark.parametrize(
    "spec",
    [
        ScheduleSpec(action=ScheduleAction.STOP, at=time(18, 0)),
        ScheduleSpec(action=ScheduleAction.STOP, at=time(18, 0), weekdays=(1,), on=date(2026, 12, 1)),
        ScheduleSpec(action=ScheduleAction.STOP, at=time(18, 0), weekdays=(0,)),
        ScheduleSpec(action=ScheduleAction.STOP, at=time(18, 0), on=date(2026, 11, 23)),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(renter: Renter, spec: ScheduleSpec) -> None:
    instance = rent_as(renter)
    with pytest.raises(ValidationFailed):
        add(renter, instance, spec)
    with as_actor(STAFF):
        assert Schedule.objects.count() == 0


def test_an_instance_has_at_most_ten_and_an_ended_one_none(renter: Renter) -> None:
    instance = rent_as(renter)
    for _number in range(10):
        add(renter, instance, STOP)
    with pytest.raises(TooManySchedules):
        add(renter, instance, STOP)
    with as_actor(STAFF):
        Instance.objects.filter(id=instance.id).update(state="ended")
    with pytest.raises(InvalidState):
        add(renter, instance, STOP)


def test_another_organization_neither_sees_nor_removes_it(renter: Renter) -> None:
    other = add_renter(number="6068100016", name="다솜정밀", data_classes=("open",))
    instance = rent_as(renter)
    schedule = add(renter, instance, STOP)
    with pytest.raises(NotFound):
        add(other, instance, STOP)
    with pytest.raises(NotFound), as_actor(other.actor):
        drop_schedule(actor=other.actor, instance_id=instance.id, schedule_id=schedule.id, now=NOW)
    for _again in range(2):
        with as_actor(renter.actor):
            drop_schedule(actor=renter.actor, instance_id=instance.id, schedule_id=schedule.id, now=NOW)
    with as_actor(STAFF):
        assert Schedule.objects.get().removed_at == NOW
        assert AuditEntry.objects.filter(action="schedule.removed").count() == 1
    assert run_due_schedules(now=EVENING) == 0


def test_a_stop_says_what_it_does_before_it_happens(renter: Renter) -> None:
    """Two of eight run: six more are free, so a restart might start at once; with all eight in use it could not."""
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    add(renter, instance, START)
    with as_actor(renter.actor):
        told = preview_stop(actor=renter.actor, instance_id=instance.id, action=Action.STOP, now=NOW)
    assert (told.meter_ends, told.still_billed, told.devices_returned) == (True, (), 2)
    assert (told.can_restart, told.has_room_elsewhere, told.is_data_lost) == (True, True, True)
    assert (told.prices_micros, told.next_start_at) == ((5_400_000_000,), MORNING)
    rent_as(renter, devices=6)
    assert admit_pass(holder="test", now=NOW).placed == 1
    with as_actor(renter.actor):
        told = preview_stop(actor=renter.actor, instance_id=instance.id, action=Action.STOP, now=NOW)
        final = preview_stop(actor=renter.actor, instance_id=instance.id, action=Action.END, now=NOW)
        with pytest.raises(InvalidState):
            preview_stop(actor=renter.actor, instance_id=instance.id, action=Action.START, now=NOW)
    assert (told.has_room_elsewhere, final.can_restart) == (False, False)
    assert fresh(instance).state == "running"

"""What is used beyond the end of credit and budgets: with timers, at most rate × 30 s; without, what is guaranteed then."""

from datetime import date, datetime, timedelta

import pytest

from billing.budgets import read_budget_states
from billing.credit import read_state
from billing.holds import BudgetExceeded, InsufficientBalance
from billing.ledger import find_difference
from billing.models import Budget, OnLimit
from billing.month_close import close_month
from billing.watch import watch_instances
from marketplace.instances.models import Instance, Transition
from marketplace.instances.operations import record_gone
from marketplace.instances.states import Action, State
from marketplace.journeys.stop import request_action
from marketplace.kernel.actors import as_actor, savepoint
from marketplace.kernel.models import Notice
from tests.billing.paying import account_of, budget_for, meter_and_watch, prepay, watch_due
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as, run_instance

pytestmark = pytest.mark.django_db

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
RATE_WON = 10_800
"""Two H200s at ₩5,400 an hour: ₩3 a second."""
LATE = [
    pytest.param(timedelta(0), id="at-once"),
    pytest.param(30 * SECOND, id="30-s-late"),
    pytest.param(2 * HOUR, id="2-h-down"),
]


def renter() -> Renter:
    """In a market."""
    build_market()
    return add_renter()


def remaining(who: Renter, *, now: datetime) -> int:
    """Of the credit, in won; below 0 what was used beyond it."""
    account = account_of(who)
    with as_actor(STAFF):
        return read_state(account=account, now=now).remaining_won


def stopped_at(instance: Instance) -> tuple[str, str, datetime]:
    """State, and reason and instant of the last move."""
    with as_actor(STAFF):
        instance.refresh_from_db()
        last = Transition.objects.filter(instance=instance).order_by("-id")[0]
    return instance.state, last.reason, last.occurred_at


@pytest.mark.parametrize("late", LATE)
def test_credit_is_overdrawn_by_rate_times_the_delay_and_no_won_more(late: timedelta) -> None:
    """₩21,600 for two hours. Timers rest around the end for so long; then it is stopped, not ended, and the debt is exact."""
    who = renter()
    prepay(who, 23_760)
    instance = run_instance(who, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    ends = NOW + 2 * HOUR
    if late < HOUR:
        watch_due(now=NOW + HOUR)
        assert account_of(who).next_crossing_at == ends
    # Whether anybody looks or not, nothing starts on credit that is gone.
    with pytest.raises(InsufficientBalance):
        rent_as(who, now=ends + SECOND, name="more")
    seen = ends + late
    watch_due(now=seen)
    assert stopped_at(instance) == (State.STOPPING, "credit_exhausted", seen)
    meter_and_watch(instance.id, now=seen)
    assert remaining(who, now=seen + HOUR) == -(RATE_WON * int(late.total_seconds()) // 3_600)
    with as_actor(STAFF):
        assert record_gone(instance_id=instance.id, attempt=1, now=seen) is State.STOPPED
        told = Notice.objects.get(tenant_id=who.tenant.id, resolved_at__isnull=True)
    assert told.code == "credit.exhausted"
    # A top-up covers the debt first; what was stopped starts again on its own terms.
    prepay(who, 55_000, now=seen)
    assert remaining(who, now=seen) == 50_000 - RATE_WON * int(late.total_seconds()) // 3_600
    with as_actor(who.actor):
        again = request_action(actor=who.actor, instance_id=instance.id, action=Action.START, now=seen)
    assert again.state == State.QUEUED


def test_while_timers_rest_any_move_of_the_tenant_stops_what_runs_on_spent_credit() -> None:
    """₩32,400 for two instances: an hour and a half. The second one ends half an hour later, and the first is stopped with it."""
    who = renter()
    prepay(who, 35_640)
    first = run_instance(who, started_at=NOW, ended_at=None)
    meter_and_watch(first.id, now=NOW)
    second = run_instance(who, started_at=NOW, ended_at=NOW + 2 * HOUR, name="second")
    meter_and_watch(second.id, now=NOW + 2 * HOUR - SECOND)
    assert stopped_at(first) == (State.STOPPING, "credit_exhausted", NOW + 2 * HOUR)


def test_what_was_used_beyond_credit_is_invoiced_like_everything_else() -> None:
    """Two hours too many are a debt, no loss: the invoice has them, and the ledger adds up."""
    who = renter()
    prepay(who, 23_760)
    instance = run_instance(who, started_at=NOW, ended_at=NOW + 4 * HOUR)
    meter_and_watch(instance.id, now=NOW + 4 * HOUR)
    (invoice,) = close_month(actor=STAFF, month=date(2026, 11, 1), now=NOW + timedelta(days=10))
    assert invoice.supply_won == 4 * RATE_WON
    assert remaining(who, now=NOW + timedelta(days=10)) == -2 * RATE_WON
    with as_actor(STAFF):
        assert find_difference() is None


@pytest.mark.parametrize("late", LATE)
def test_a_budget_that_stops_is_overrun_by_rate_times_the_delay_and_no_won_more(late: timedelta) -> None:
    """₩21,600: told at 50 and 80 %, nothing new from then on that does not fit, stopped at 100 %."""
    who = renter()
    budget = budget_for(who, 2 * RATE_WON, on_limit=OnLimit.STOP)
    instance = run_instance(who, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    ends = NOW + 2 * HOUR
    with pytest.raises(BudgetExceeded):
        rent_as(who, now=NOW + 1.5 * HOUR, name="does-not-fit")
    seen = ends + late
    watch_due(now=seen)
    assert stopped_at(instance) == (State.STOPPING, "budget_reached", seen)
    meter_and_watch(instance.id, now=seen)
    with as_actor(STAFF):
        rows = [Budget.objects.get(id=budget.id)]
        (state,) = read_budget_states(tenant_id=who.tenant.id, budgets=rows, now=seen + HOUR)
        assert record_gone(instance_id=instance.id, attempt=1, now=seen) is State.STOPPED
    assert -state.left_won == RATE_WON * int(late.total_seconds()) // 3_600
    with as_actor(who.actor), pytest.raises(BudgetExceeded), savepoint():
        request_action(actor=who.actor, instance_id=instance.id, action=Action.START, now=seen)
    budget_for(who, 10 * RATE_WON, now=seen)
    with as_actor(who.actor):
        again = request_action(actor=who.actor, instance_id=instance.id, action=Action.START, now=seen)
    assert again.state == State.QUEUED


def test_a_start_makes_its_budget_due_in_the_same_task_and_nothing_is_due_before_its_line() -> None:
    """Events, not polling: between two lines no sweep finds anything to look at."""
    who = renter()
    budget = budget_for(who, 2 * RATE_WON)
    watch_due(now=NOW)
    instance = run_instance(who, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    watch_instances(actor=STAFF, instance_ids=[instance.id], now=NOW + SECOND)
    with as_actor(STAFF):
        assert Budget.objects.get(id=budget.id).next_crossing_at == NOW + HOUR
    assert watch_due(now=NOW + HOUR - SECOND) == []
    assert len(watch_due(now=NOW + HOUR)) == 1

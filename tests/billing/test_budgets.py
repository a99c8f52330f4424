"""Budgets: estimate before renting, thresholds, and what happens at the limit."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.budgets import BudgetInvalid, close_budget, list_budgets, read_budget_states, set_budget
from billing.holds import BudgetExceeded
from billing.models import Budget, BudgetPeriod, OnLimit, SpendHold
from marketplace.instances.models import Instance, Transition
from marketplace.instances.states import State
from marketplace.kernel.actors import Actor, ActorKind, as_actor, savepoint
from marketplace.kernel.errors import Forbidden, NotFound
from marketplace.kernel.models import AuditEntry, Notice
from tests.billing.paying import budget_for, meter_and_watch, watch_due
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as, run_instance

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def renter() -> Renter:
    """In a market."""
    build_market()
    return add_renter()


def notices(who: Renter) -> list[tuple[str, Any]]:
    """Open ones, with their percent."""
    with as_actor(STAFF):
        rows = Notice.objects.filter(tenant_id=who.tenant.id, resolved_at__isnull=True)
        return [(row.code, row.facts.get("percent")) for row in rows]


@pytest.mark.parametrize(
    ("amount", "thresholds"),
    [(0, []), (-1, []), (1.5, []), (True, []), (10, [80, 50]), (10, [50, 50]), (10, [0]), (10, [1, 2, 3, 4, 5, 6])],
)
def test_a_budget_is_whole_won_and_its_thresholds_rise(amount: Any, thresholds: list[int]) -> None:
    """Nothing is written otherwise."""
    who = renter()
    with as_actor(who.actor):
        with pytest.raises(BudgetInvalid), savepoint():
            set_budget(
                actor=who.actor, tenant_id=who.tenant.id, project_id=None, period=BudgetPeriod.MONTH, amount_won=amount,
                thresholds=thresholds, on_limit=OnLimit.WARN, now=NOW,
            )  # fmt: skip
        assert Budget.objects.count() == 0


def test_only_who_may_sets_one_and_another_tenant_does_not_see_it() -> None:
    """A developer reads; another tenant's project is not there."""
    who = renter()
    budget = budget_for(who, 10_000)
    reader = Actor(
        kind=ActorKind.CUSTOMER, name="dev", tenant_id=who.tenant.id, permissions=frozenset({"budgets.read"})
    )
    with as_actor(reader):
        assert list(list_budgets(actor=reader)) == [budget]
        with pytest.raises(Forbidden), savepoint():
            close_budget(actor=reader, budget_id=budget.id, now=NOW)
    other = add_renter(number="6068100016", name="다솜정밀")
    with as_actor(other.actor):
        assert list(list_budgets(actor=other.actor)) == []
        with pytest.raises(NotFound), savepoint():
            close_budget(actor=other.actor, budget_id=budget.id, now=NOW)
        with pytest.raises(NotFound), savepoint():
            set_budget(
                actor=other.actor, tenant_id=other.tenant.id, project_id=who.project.id, period=BudgetPeriod.MONTH,
                amount_won=5, thresholds=[], on_limit=OnLimit.WARN, now=NOW,
            )  # fmt: skip


def test_setting_it_again_changes_the_one_there_is() -> None:
    """Audited with before and after."""
    who = renter()
    first = budget_for(who, 10_000)
    assert budget_for(who, 20_000).id == first.id
    with as_actor(STAFF):
        changes = [entry.changes["amount_won"] for entry in AuditEntry.objects.filter(action="budget.set")]
    assert sorted(changes, key=str) == [[10_000, 20_000], [None, 10_000]]


@pytest.mark.parametrize(
    ("on_limit", "is_refused"), [(OnLimit.WARN, False), (OnLimit.BLOCK, True), (OnLimit.STOP, True)]
)
def test_an_estimate_that_does_not_fit_is_refused_before_anything_is_written(
    on_limit: OnLimit, is_refused: bool
) -> None:
    """Two hours of ₩10,800 against ₩20,000."""
    who = renter()
    budget_for(who, 20_000, on_limit=on_limit)
    if not is_refused:
        rent_as(who, max_duration_s=7_200)
        return
    with pytest.raises(BudgetExceeded) as refused:
        rent_as(who, max_duration_s=7_200)
    assert refused.value.facts == {"scope": "신용평가", "amount": "₩20,000", "left": "₩20,000", "needed": "₩21,600"}
    with as_actor(STAFF):
        assert (Instance.objects.count(), SpendHold.objects.count()) == (0, 0)
    rent_as(who, max_duration_s=3_600)
    with pytest.raises(BudgetExceeded):
        rent_as(who, name="two")


def test_the_whole_organization_s_budget_counts_every_project() -> None:
    """And a project's only its own."""
    who = renter()
    budget_for(who, 15_000, is_whole_tenant=True)
    budget_for(who, 1_000_000)
    rent_as(who)
    with pytest.raises(BudgetExceeded) as refused:
        rent_as(who, name="two")
    assert refused.value.facts["left"] == "₩4,200"


def test_it_tells_at_each_threshold_and_stops_at_the_limit() -> None:
    """₩21,600 at ₩10,800 an hour: half after an hour, 80 % after 96 minutes, all after two hours."""
    who = renter()
    budget = budget_for(who, 21_600)
    instance = run_instance(who, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    seen = []
    for _ in range(3):
        with as_actor(STAFF):
            at = Budget.objects.get(id=budget.id).next_crossing_at
        assert at is not None
        watch_due(now=at)
        seen.append(((at - NOW) / HOUR, *notices(who)[0]))
    assert seen == [(1.0, "budget.threshold", 50), (1.6, "budget.threshold", 80), (2.0, "budget.stop_reached", 100)]
    with as_actor(STAFF):
        instance.refresh_from_db()
        last = Transition.objects.filter(instance=instance).order_by("-id").first()
        assert last is not None
    assert (instance.state, instance.goal, last.reason) == (State.STOPPING, "stop", "budget_reached")


@pytest.mark.parametrize("on_limit", [OnLimit.WARN, OnLimit.BLOCK])
def test_a_milder_budget_lets_what_runs_run(on_limit: OnLimit) -> None:
    """Blocked is only what is new."""
    who = renter()
    budget_for(who, 10_800, on_limit=on_limit)
    instance = run_instance(who, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    watch_due(now=NOW + 2 * HOUR)
    with as_actor(STAFF):
        instance.refresh_from_db()
    assert instance.state == State.RUNNING
    assert notices(who) == [(f"budget.{on_limit}_reached", 200)]


def test_a_month_begins_anew_and_a_total_does_not() -> None:
    """Six hours before midnight in Seoul and six after: ₩64,800 in each month."""
    end_of_november = datetime(2026, 11, 30, 15, 0, tzinfo=NOW.tzinfo)
    start = end_of_november - 6 * HOUR
    build_market(now=start)
    who = add_renter(now=start)
    month = budget_for(who, 100_000, on_limit=OnLimit.WARN, now=start)
    total = budget_for(who, 100_000, on_limit=OnLimit.WARN, period=BudgetPeriod.TOTAL, now=start)
    instance = run_instance(who, started_at=start, ended_at=None)
    meter_and_watch(instance.id, now=start)
    at = end_of_november + 6 * HOUR
    watch_due(now=at)
    with as_actor(STAFF):
        budgets = {row.id: row for row in Budget.objects.all()}
        states = read_budget_states(tenant_id=who.tenant.id, budgets=list(budgets.values()), now=at)
    spent = {state.budget.id: state.spent_won for state in states}
    assert spent == {month.id: 64_800, total.id: 129_600}
    assert (budgets[month.id].is_reached, budgets[total.id].is_reached) == (False, True)


def test_raising_a_budget_ends_the_alarm_and_lets_it_start_again() -> None:
    """The watch looks at it at once."""
    who = renter()
    budget_for(who, 10_800)
    instance = run_instance(who, started_at=NOW, ended_at=NOW + HOUR)
    meter_and_watch(instance.id, now=NOW + HOUR)
    assert notices(who) == [("budget.stop_reached", 100)]
    with pytest.raises(BudgetExceeded):
        rent_as(who, now=NOW + HOUR)
    budget_for(who, 100_000, now=NOW + HOUR)
    watch_due(now=NOW + HOUR)
    assert notices(who) == []
    rent_as(who, now=NOW + HOUR)

"""Acting on credit and budgets when they cross a line: told, told again, stopped; never ended.

Nothing is polled: each account and budget knows when it will cross its next line at the present rate, and a timer picks up those
whose instant has come. A move of an instance makes that instant now; a top-up or a new budget is looked at at once. What is used
beyond zero is therefore rate × the time until somebody looks, at most the timer's step and its queue. Without timers nobody looks
at what merely goes on: README.md says what holds then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Min, Q

from billing.budgets import BudgetState, read_budget_states
from billing.credit.settling import expire_lots
from billing.credit.state import CreditState, read_state
from billing.marking import mark_due
from billing.models import Budget, BudgetPeriod, CreditAccount, CreditStage, OnLimit, SpendHold, UsageInterval
from billing.rating import month_bounds, month_of
from billing.runway import Stage
from billing.spend import read_burns, read_held
from marketplace.instances.models import Instance
from marketplace.instances.operations import InvalidState, want_stop_or_end
from marketplace.instances.states import HOLDS_QUOTA, Goal, Reason
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.models import Severity
from marketplace.kernel.money import format_won
from marketplace.kernel.notices import raise_notice, resolve_notice

TENANTS_PER_SWEEP_MAX: Final = 500
"""Tenants that one sweep looks at; at about 20 ms each ten seconds."""
LOOKED_AT_ONCE_MAX: Final = 50
"""Open usage intervals of a tenant up to which each of its moves is looked at at once; a tenant with more waits for the timer."""
_LIVE: Final = [state.value for state in HOLDS_QUOTA]


@dataclass(slots=True, kw_only=True)
class Watched:
    """What looking at a tenant led to.

    Attributes:
        stopped: Instances that were asked to stop, with the reason.
    """

    stopped: dict[UUID, Reason] = field(default_factory=dict)


def list_due_tenants(*, now: datetime) -> list[UUID]:
    """Tenants with an account or budget whose instant has come, whoever is due for longest first."""
    accounts = CreditAccount.objects.filter(next_crossing_at__lte=now)
    budgets = Budget.objects.filter(next_crossing_at__lte=now, closed_at__isnull=True)
    first: dict[UUID, datetime] = {}
    for rows in (accounts, budgets):
        for tenant_id, since in rows.values_list("tenant_id").annotate(since=Min("next_crossing_at")):
            first[tenant_id] = min(since, first.get(tenant_id, since))
    return sorted(first, key=lambda tenant_id: (first[tenant_id], tenant_id))[:TENANTS_PER_SWEEP_MAX]


def find_next_crossing() -> datetime | None:
    """When something is due next; None when nothing ever is at the present rates."""
    instants = [
        CreditAccount.objects.filter(next_crossing_at__isnull=False).order_by("next_crossing_at").first(),
        Budget.objects.filter(next_crossing_at__isnull=False, closed_at__isnull=True)
        .order_by("next_crossing_at")
        .first(),
    ]
    return min((row.next_crossing_at for row in instants if row and row.next_crossing_at), default=None)


def watch_tenant(*, actor: Actor, tenant_id: UUID, now: datetime) -> Watched:
    """Look at a tenant's credit and budgets and do what their lines say. Safe to repeat and to run twice at once.

    Opens its own transactions: one that looks and tells, then one for each instance that is stopped, so that locks are taken in
    the order of the architecture page.
    """
    with as_actor(actor):
        has_credit = CreditAccount.objects.filter(tenant_id=tenant_id).exists()
        has_budgets = Budget.objects.filter(tenant_id=tenant_id, closed_at__isnull=True).exists()
        wanted = _look(tenant_id, actor=actor, now=now) if has_credit or has_budgets else {}
    watched = Watched()
    for instance_id, reason in wanted.items():
        try:
            with as_actor(actor):
                want_stop_or_end(actor=actor, instance_id=instance_id, goal=Goal.STOP, now=now, reason=reason)
        except InvalidState:
            continue  # on its way already
        watched.stopped[instance_id] = reason
    return watched


def watch_instances(*, actor: Actor, instance_ids: Sequence[UUID], now: datetime) -> Watched:
    """Have the instances' tenants looked at; called when their usage was brought up to date.

    A look reads all that a tenant runs. Were it taken at each move, a tenant that starts two thousand instances would pay for two
    million; so of a tenant that runs much a move only marks what is not marked yet, and the next sweep looks, once for all moves.

    Opens its own transactions. Safe to repeat.
    """
    with as_actor(actor):
        SpendHold.objects.filter(
            Q(instance_id__in=instance_ids, released_at__isnull=True), ~Q(instance__state__in=_LIVE)
        ).update(released_at=now)
        tenants = list(Instance.objects.filter(id__in=instance_ids).values_list("tenant_id", flat=True).distinct())
        mark_due(tenant_ids=tenants, now=now)
        small = [tenant_id for tenant_id in tenants if _runs_little(tenant_id)]
    watched = Watched()
    for tenant_id in small:
        watched.stopped |= watch_tenant(actor=actor, tenant_id=tenant_id, now=now).stopped
    return watched


def _runs_little(tenant_id: UUID) -> bool:
    open_now = UsageInterval.objects.filter(tenant_id=tenant_id, ended_at__isnull=True, superseded_by__isnull=True)
    return len(open_now.values_list("id", flat=True)[: LOOKED_AT_ONCE_MAX + 1]) <= LOOKED_AT_ONCE_MAX


def _look(tenant_id: UUID, *, actor: Actor, now: datetime) -> dict[UUID, Reason]:
    """Evaluate everything of the tenant and tell people; the instances to be stopped. Locks budgets, then accounts, by id."""
    budgets = list(
        Budget.objects.select_for_update(no_key=True, of=("self",))
        .select_related("project")
        .filter(tenant_id=tenant_id, closed_at__isnull=True)
        .order_by("id")
    )
    accounts = list(CreditAccount.objects.select_for_update(no_key=True).filter(tenant_id=tenant_id).order_by("id"))
    for account in accounts:
        expire_lots(account_id=account.id, now=now)
    burns = read_burns(tenant_ids=[tenant_id], now=now)
    held = read_held(tenant_ids=[tenant_id], burns=burns)
    states = read_budget_states(tenant_id=tenant_id, budgets=budgets, now=now, burns=burns, held=held)
    wanted: dict[UUID, Reason] = {}
    for state in states:
        if _tell_budget(state, actor=actor, now=now) and state.budget.on_limit == OnLimit.STOP:
            live = list(_live_of_budget(state.budget))
            wanted.update(dict.fromkeys(live, Reason.BUDGET_REACHED))
            if live:
                # Due until nothing runs: should this process die before it has stopped them, the next sweep does.
                Budget.objects.filter(id=state.budget.id).update(next_crossing_at=now)
    for account in accounts:
        credit = read_state(account=account, now=now, burns=burns, held=held)
        if _tell_credit(credit, actor=actor, now=now) is Stage.EXHAUSTED:
            live = _live_of_account(account)
            wanted.update(dict.fromkeys(live, Reason.CREDIT_EXHAUSTED))
            if live:
                CreditAccount.objects.filter(id=account.id).update(next_crossing_at=now)
    return wanted


def _live_of_budget(budget: Budget) -> Iterable[UUID]:
    rows = Instance.objects.filter(tenant_id=budget.tenant_id, state__in=_LIVE, goal=Goal.RUN)
    if budget.project_id is not None:
        rows = rows.filter(project_id=budget.project_id)
    return rows.order_by("id").values_list("id", flat=True)


def _live_of_account(account: CreditAccount) -> list[UUID]:
    """Instances that this credit pays: placed with the seller, or waiting with a hold on it."""
    payer = Q(tenant_id=account.tenant_id, project__billing_profile_id=account.billing_profile_id)
    placed = Q(allocations__released_at__isnull=True, allocations__term__seller_id=account.seller_id)
    waiting = Q(state="queued", spend_holds__released_at__isnull=True, spend_holds__seller_id=account.seller_id)
    rows = Instance.objects.filter(payer & (placed | waiting), state__in=_LIVE, goal=Goal.RUN)
    return sorted(set(rows.values_list("id", flat=True)))


_SEVERITY: Final = {
    Stage.LOW: Severity.INFO,
    Stage.GRACE: Severity.WARNING,
    Stage.EXHAUSTED: Severity.CRITICAL,
}


def _tell_credit(state: CreditState, *, actor: Actor, now: datetime) -> Stage:
    """Save the stage and tell people of a new one; the stage."""
    account, runway = state.account, state.runway
    key = f"credit:{account.id}"
    before = account.stage
    account.stage = CreditStage(runway.stage.value)
    account.next_crossing_at = _earliest(runway.next_crossing_at, state.rate_changes_at)
    account.save(update_fields=["stage", "next_crossing_at"])
    if runway.stage is Stage.ENOUGH:
        resolve_notice(key=key, now=now)
        return runway.stage
    is_news = before != account.stage
    if is_news or runway.stage is not Stage.EXHAUSTED:
        left = runway.exhausts_at - now if runway.exhausts_at else None
        raise_notice(
            key=key, code=f"credit.{runway.stage.value}", severity=_SEVERITY[runway.stage], now=now,
            tenant_id=account.tenant_id, object_type="crd", object_id=account.id,
            facts={
                "balance": format_won(state.remaining_won),
                "hours": round_hours(int(left.total_seconds())) if left else 0,
            },
        )  # fmt: skip
    if is_news:
        record_act(
            actor=actor, action=f"credit.{runway.stage.value}", object_type="crd", object_id=account.id,
            tenant_id=account.tenant_id, now=now,
            changes={"stage": [before, account.stage], "remaining_won": state.remaining_won},
        )  # fmt: skip
    return runway.stage


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((at for at in instants if at is not None), default=None)


def round_hours(seconds: int) -> int:
    """Whole hours, at least 1 while there is a second."""
    return max(1, seconds // 3_600)


def _tell_budget(state: BudgetState, *, actor: Actor, now: datetime) -> bool:
    """Save what was reached and tell people of what is new in the period; whether the limit is reached."""
    budget, view = state.budget, state.view
    month = month_of(now) if budget.period == BudgetPeriod.MONTH else None
    is_new_period = budget.announced_for != month
    announced = 0 if is_new_period else budget.announced_percent
    was_reached = budget.is_reached and not is_new_period
    key = f"budget:{budget.id}"
    if is_new_period or not (view.passed_percent or view.is_reached):
        resolve_notice(key=key, now=now)
    budget.announced_for, budget.announced_percent = month, view.passed_percent
    budget.is_reached, budget.next_crossing_at = view.is_reached, _next_look(state, now=now)
    budget.save(update_fields=["announced_for", "announced_percent", "is_reached", "next_crossing_at"])
    if view.passed_percent > announced or (view.is_reached and not was_reached):
        reached = view.is_reached
        raise_notice(
            key=key, code=f"budget.{budget.on_limit}_reached" if reached else "budget.threshold", now=now,
            severity=Severity.WARNING if reached else Severity.INFO, tenant_id=budget.tenant_id,
            project_id=budget.project_id, object_type="bud", object_id=budget.id,
            facts={
                "scope": budget.project.name if budget.project else "–",
                "amount": format_won(budget.amount_won),
                "spent": format_won(state.spent_won),
                "percent": view.percent,
            },
        )  # fmt: skip
        record_act(
            actor=actor, action="budget.reached" if reached else "budget.threshold_passed", object_type="bud",
            object_id=budget.id, tenant_id=budget.tenant_id, now=now,
            changes={"percent": [announced, view.percent], "spent_won": state.spent_won},
        )  # fmt: skip
    return view.is_reached


def _next_look(state: BudgetState, *, now: datetime) -> datetime | None:
    """The next line, and a month's budget again when the next month begins if it was announced or is in use."""
    at = _earliest(state.view.next_crossing_at, state.rate_changes_at)
    if state.budget.period == BudgetPeriod.MONTH:
        _start, following = month_bounds(month_of(now))
        at = _earliest(at, following)
    return at

"""Budgets: set by a tenant's members, counted as credit is, in won without VAT."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from billing.models import Budget, BudgetPeriod, OnLimit
from billing.rating import month_of
from billing.runway import BudgetView, view_budget
from billing.spend import Burn, Held, find_rate_change, read_burns, read_charged, read_held
from marketplace.kernel.actors import Actor, savepoint
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, ValidationFailed
from marketplace.kernel.hints import hint
from marketplace.kernel.money import NUMERATOR_PER_WON, format_won, won_from_numerator
from marketplace.kernel.notices import resolve_notice
from marketplace.tenants.access import get_project, require_permission

AMOUNT_WON_MAX: Final = 1_000_000_000_000
THRESHOLDS_MAX: Final = 5


class BudgetInvalid(ValidationFailed):
    """A budget that could not be kept; nothing was written."""

    code = "budget_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget at an instant.

    Attributes:
        spent_numerator: Charges and open usage of the period, exact.
        held_numerator: What wanted instances are estimated to add.
        numerator_per_second: What runs adds each second.
        rate_changes_at: Until when that holds.
    """

    budget: Budget
    spent_numerator: int
    held_numerator: int
    numerator_per_second: int
    rate_changes_at: datetime | None
    view: BudgetView
    as_of: datetime

    @property
    def spent_won(self) -> int:
        """For showing."""
        return won_from_numerator(self.spent_numerator)

    @property
    def left_numerator(self) -> int:
        """What is neither spent nor held, exactly; below 0 when more was."""
        return self.budget.amount_won * NUMERATOR_PER_WON - self.spent_numerator - self.held_numerator

    @property
    def left_won(self) -> int:
        """For showing; below 0 when more was spent."""
        return self.budget.amount_won - self.spent_won


def set_budget(
    *,
    actor: Actor,
    tenant_id: UUID,
    project_id: UUID | None,
    period: BudgetPeriod,
    amount_won: int,
    thresholds: Sequence[int],
    on_limit: OnLimit,
    now: datetime,
) -> Budget:
    """Set the budget of a project or of the whole tenant; an open one of the same scope and period is changed. Audited.

    A budget below what was spent is allowed: its action follows at once.

    Raises:
        Forbidden: The actor may not write budgets, or is confined to projects and asks for the whole tenant's.
        NotFound: The project is not the actor's.
        BudgetInvalid: An amount that is not a positive whole number of won, or thresholds that are no rising percentages.

    Locks the budget.
    """
    require_permission(actor=actor, permission="budgets.write")
    if project_id is not None:
        get_project(actor=actor, project_id=project_id)
    elif actor.project_ids is not None:
        raise NotFound(pointer="/project")
    if type(amount_won) is not int or amount_won <= 0:
        raise BudgetInvalid(reason=_("A budget is a whole number of won, more than 0."), pointer="/amount")
    if amount_won > AMOUNT_WON_MAX:
        raise BudgetInvalid(
            reason=_("A budget is at most %(most)s.") % {"most": format_won(AMOUNT_WON_MAX)}, pointer="/amount"
        )
    marks = list(thresholds)
    if len(marks) > THRESHOLDS_MAX or marks != sorted(set(marks)) or not all(0 < mark <= 1_000 for mark in marks):
        raise BudgetInvalid(reason=_("Thresholds are up to five rising percentages."), pointer="/thresholds")
    budget, is_new = _lock_or_create(
        tenant_id=tenant_id, project_id=project_id, period=period, amount_won=amount_won, on_limit=on_limit, now=now
    )
    values = {"amount_won": amount_won, "thresholds": marks, "on_limit": on_limit}
    before = dict.fromkeys(values) if is_new else {name: getattr(budget, name) for name in values}
    for name, value in values.items():
        setattr(budget, name, value)
    # What was announced about the old amount says nothing about the new one; the watch looks at it at once.
    budget.announced_percent, budget.is_reached, budget.next_crossing_at, budget.updated_at = 0, False, now, now
    budget.save()
    hint("spending.changed", tenant_id)
    record_act(
        actor=actor, action="budget.set", object_type="bud", object_id=budget.id, tenant_id=tenant_id, now=now,
        changes={name: [before[name], value] for name, value in values.items()},
    )  # fmt: skip
    return budget


def _lock_or_create(
    *, tenant_id: UUID, project_id: UUID | None, period: str, amount_won: int, on_limit: str, now: datetime
) -> tuple[Budget, bool]:
    """The open budget of a scope and period, locked, and whether it was made here; two members who set it at once meet in one."""
    rows = Budget.objects.select_for_update(no_key=True).filter(
        tenant_id=tenant_id, period=period, closed_at__isnull=True
    )
    rows = rows.filter(project_id__isnull=True) if project_id is None else rows.filter(project_id=project_id)
    budget = rows.first()
    if budget is not None:
        return budget, False
    try:
        with savepoint():
            created = Budget.objects.create(
                tenant_id=tenant_id, project_id=project_id, period=period, amount_won=amount_won, on_limit=on_limit,
                created_at=now, updated_at=now,
            )  # fmt: skip
            return created, True
    except IntegrityError:
        return rows.get(), False


def close_budget(*, actor: Actor, budget_id: UUID, now: datetime) -> Budget:
    """Take a budget away. Audited. Safe to repeat.

    Raises:
        Forbidden, NotFound: As `set_budget`.

    Locks the budget.
    """
    require_permission(actor=actor, permission="budgets.write")
    budget = list_budgets(actor=actor).select_for_update(no_key=True, of=("self",)).filter(id=budget_id).first()
    if budget is None:
        raise NotFound
    budget.closed_at = now
    budget.save(update_fields=["closed_at"])
    resolve_notice(key=f"budget:{budget.id}", now=now)
    record_act(
        actor=actor, action="budget.closed", object_type="bud", object_id=budget.id, tenant_id=budget.tenant_id, now=now
    )
    return budget


def list_budgets(*, actor: Actor) -> QuerySet[Budget]:
    """The tenant's open budgets that the actor may see, the tenant's first.

    Raises:
        Forbidden: The actor may not read budgets.
    """
    require_permission(actor=actor, permission="budgets.read")
    rows = Budget.objects.filter(tenant_id=actor.tenant_scope, closed_at__isnull=True).select_related("project")
    if actor.project_ids is not None:
        rows = rows.filter(project_id__in=actor.project_ids)
    return rows.order_by("project_id", "period", "id")


def read_budget_states(
    *,
    tenant_id: UUID,
    budgets: Sequence[Budget],
    now: datetime,
    burns: Sequence[Burn] | None = None,
    held: Sequence[Held] | None = None,
) -> list[BudgetState]:
    """Where budgets stand; at most four queries, however many there are."""
    if not budgets:
        return []
    burns = read_burns(tenant_ids=[tenant_id], now=now) if burns is None else burns
    held = read_held(tenant_ids=[tenant_id], burns=burns) if held is None else held
    month = month_of(now)
    periods = {budget.period for budget in budgets}
    charged: dict[str, Mapping[UUID | None, int]] = {
        period: read_charged(tenant_id=tenant_id, month=month if period == BudgetPeriod.MONTH else None)
        for period in sorted(periods)
    }
    return [_state(budget, charged[budget.period], burns, held, month=month, now=now) for budget in budgets]


def _state(
    budget: Budget,
    charged: Mapping[UUID | None, int],
    burns: Sequence[Burn],
    held: Sequence[Held],
    *,
    month: date,
    now: datetime,
) -> BudgetState:
    own = [burn for burn in burns if covers(budget, burn.project_id)]
    spent = sum(exact for project_id, exact in charged.items() if covers(budget, project_id))
    for burn in own:
        spent += burn.numerator_by_month.get(month, 0) if budget.period == BudgetPeriod.MONTH else burn.numerator
    per_second = sum(burn.numerator_per_second for burn in own)
    estimates: dict[UUID, int] = {}
    for item in held:
        if covers(budget, item.project_id):
            # Whichever offer it is placed on, it costs no more than the dearest.
            estimates[item.instance_id] = max(estimates.get(item.instance_id, 0), item.estimate_numerator)
    return BudgetState(
        budget=budget,
        spent_numerator=spent,
        held_numerator=sum(estimates.values()),
        numerator_per_second=per_second,
        rate_changes_at=find_rate_change(burns=own, now=now),
        view=view_budget(
            amount_won=budget.amount_won,
            spent_numerator=spent,
            numerator_per_second=per_second,
            thresholds=budget.thresholds,
            now=now,
        ),
        as_of=now,
    )


def covers(budget: Budget, project_id: UUID | None) -> bool:
    """Whether a project's money counts against a budget."""
    return budget.project_id is None or budget.project_id == project_id

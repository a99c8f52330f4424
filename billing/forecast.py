"""How long money would last if something more ran: what is left of credit and of budgets, at the rate of now plus the new one.

Estimates for a preview before renting; what decides is asked again, under locks, by `holds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from billing.budgets import covers, read_budget_states
from billing.credit.state import read_states
from billing.models import Budget, CreditAccount, OnLimit
from billing.rating import AgreedPrice, rate_now
from billing.runway import seconds_until
from billing.spend import read_burns, read_held
from marketplace.kernel.actors import Actor, ActorKind
from marketplace.tenants.models import Project
from marketplace.tenants.models.billing_profile import PaymentMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """What is left of an account or a budget for something new, exactly, and what is used of it each second already."""

    left_numerator: int
    numerator_per_second: int

    def lasts_s(self, *, more_per_second: int) -> int | None:
        """Whole seconds until it is used up with so much more; None = for ten years and longer."""
        rate = self.numerator_per_second + more_per_second
        return seconds_until(remaining_numerator=self.left_numerator, numerator_per_second=rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a project's payer has: credit with each seller where it pays ahead, and the budgets that act.

    Attributes:
        credit: By seller; None = the payer does not pay ahead, or the actor may not see it.
        budgets: Those that block or stop; one that only warns ends nothing.
    """

    credit: Mapping[UUID, Purse] | None = None
    budgets: tuple[Purse, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasts:
    """Until when money lasts, in seconds from now; None = nothing ends it.

    Attributes:
        purses: What it was reckoned from, for a page that changes the number of devices.
    """

    credit_s: int | None
    budget_s: int | None
    purses: tuple[Purse, ...] = ()


def read_means(*, actor: Actor, project: Project, now: datetime) -> Means:
    """What the project has for something new; one query where its payer does not pay ahead and no budget acts."""
    budgets = [
        row
        for row in Budget.objects.select_related("project").filter(tenant_id=project.tenant_id, closed_at__isnull=True)
        if row.on_limit != OnLimit.WARN and covers(row, project.id)
    ]
    budgets = budgets if _may(actor, "budgets.read") else []
    is_prepaid = project.billing_profile.payment_mode == PaymentMode.PREPAID and _may(actor, "credit.read")
    if not budgets and not is_prepaid:
        return Means()
    burns = read_burns(tenant_ids=[project.tenant_id], now=now)
    held = read_held(tenant_ids=[project.tenant_id], burns=burns)
    credit: dict[UUID, Purse] | None = None
    if is_prepaid:
        accounts = list(CreditAccount.objects.filter(billing_profile_id=project.billing_profile_id))
        states = read_states(accounts=accounts, now=now, burns=burns, held=held)
        credit = {
            state.account.seller_id: Purse(
                left_numerator=state.available_numerator, numerator_per_second=state.numerator_per_second
            )
            for state in states
        }
    budget_states = read_budget_states(tenant_id=project.tenant_id, budgets=budgets, now=now, burns=burns, held=held)
    return Means(
        credit=credit,
        budgets=tuple(
            Purse(left_numerator=state.left_numerator, numerator_per_second=state.numerator_per_second)
            for state in budget_states
        ),
    )


def forecast(*, means: Means, price: AgreedPrice, devices: int, seller_id: UUID, now: datetime) -> Lasts:
    """How long credit and the tightest budget last if so many devices ran at a price from now on.

    Raises:
        ValueError: The devices are no whole number of the price's units.
    """
    more = rate_now(prices=[price], devices=devices, at=now)
    credit_s, purses = None, means.budgets
    if means.credit is not None:
        purse = means.credit.get(seller_id, Purse(left_numerator=0, numerator_per_second=0))
        credit_s, purses = purse.lasts_s(more_per_second=more), (purse, *means.budgets)
    ends = [budget.lasts_s(more_per_second=more) for budget in means.budgets]
    budget_s = min((end for end in ends if end is not None), default=None)
    return Lasts(credit_s=credit_s, budget_s=budget_s, purses=purses)


def _may(actor: Actor, permission: str) -> bool:
    return actor.kind is not ActorKind.CUSTOMER or permission in actor.permissions

"""What renting asks of credit and budgets: an estimate that must fit, and a hold, so that no won is counted on twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from billing.budgets import BudgetState, covers, read_budget_states
from billing.credit.state import CreditState, read_state
from billing.models import Budget, CreditAccount, OnLimit, SpendHold
from billing.runway import HOLD_S
from billing.spend import Burn, Held, read_burns, read_held, sum_charges_of
from marketplace.kernel.errors import OndolError
from marketplace.kernel.money import NUMERATOR_PER_WON, format_won
from marketplace.tenants.models import Project
from marketplace.tenants.models.billing_profile import PaymentMode


class InsufficientBalance(OndolError):
    """No permitted seller has enough of the payer's credit for the first hour; nothing was written."""

    code = "insufficient_balance"
    http_status = 402
    title = _("The credit left is %(available)s; the first hour needs %(needed)s, VAT apart.")
    remedy = _("Ask the operator to record a top-up, end what is no longer needed, or choose something cheaper.")


class BudgetExceeded(OndolError):
    """The estimate does not fit into a budget that blocks; nothing was written."""

    code = "budget_exceeded"
    http_status = 402
    title = _("The budget of %(scope)s is %(amount)s, of which %(left)s is left; this needs about %(needed)s.")
    remedy = _("Ask for a shorter time or fewer devices, or have the budget raised by whoever may change it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendDemand:
    """What an intent would cost.

    Attributes:
        micros_per_hour_by_seller: The dearest agreed offer of each seller, for all devices.
    """

    project: Project
    micros_per_hour_by_seller: Mapping[UUID, int]
    max_duration_s: int | None

    def hold_numerator(self, seller_id: UUID) -> int:
        """The first hour, or all of a shorter time."""
        return self.micros_per_hour_by_seller[seller_id] * min(self.max_duration_s or HOLD_S, HOLD_S)

    def estimate_numerator(self, seller_id: UUID) -> int:
        """All of the maximum duration, or the first hour."""
        return self.micros_per_hour_by_seller[seller_id] * (self.max_duration_s or HOLD_S)


def find_payable_sellers(*, demand: SpendDemand, now: datetime, must_all: bool = False) -> set[UUID]:
    """Lock what the demand counts against and say with whom it could be paid; `take_hold` must follow in this transaction.

    Args:
        must_all: For terms that are agreed already: any of their sellers may be chosen, so each one's credit must last.

    Raises:
        BudgetExceeded: Whichever seller it is, a budget that blocks has no room.
        InsufficientBalance: The payer pays ahead, and no seller's credit lasts for the first hour.

    Locks the tenant's open budgets by id, then the payer's credit accounts by id.
    """
    project = demand.project
    sellers = set(demand.micros_per_hour_by_seller)
    budgets = list(
        Budget.objects.select_for_update(no_key=True, of=("self",))
        .select_related("project")
        .filter(tenant_id=project.tenant_id, closed_at__isnull=True)
        .order_by("id")
    )
    blocking = [budget for budget in budgets if budget.on_limit != OnLimit.WARN and covers(budget, project.id)]
    is_prepaid = project.billing_profile.payment_mode == PaymentMode.PREPAID
    if not blocking and not is_prepaid:
        return sellers
    accounts = (
        list(
            CreditAccount.objects.select_for_update(no_key=True)
            .filter(billing_profile_id=project.billing_profile_id, seller_id__in=sellers)
            .order_by("id")
        )
        if is_prepaid
        else []
    )
    burns = read_burns(tenant_ids=[project.tenant_id], now=now)
    held = read_held(tenant_ids=[project.tenant_id], burns=burns)
    if is_prepaid:
        sellers &= _sellers_with_credit(demand, accounts, burns, held, must_all=must_all, now=now)
    _require_budgets(demand, sellers, budgets=blocking, burns=burns, held=held, now=now)
    return sellers


def take_hold(*, demand: SpendDemand, sellers: set[UUID], instance_id: UUID, now: datetime) -> None:
    """Keep the estimate until use has caught up. Safe to repeat for an instance that is still wanted."""
    before = sum_charges_of(instance_ids=[instance_id]).get(instance_id, 0)
    SpendHold.objects.filter(instance_id=instance_id, released_at__isnull=True).update(released_at=now)
    _hold(demand, sellers, instance_id=instance_id, charged_before=before, now=now)


def take_first_hold(*, demand: SpendDemand, sellers: set[UUID], instance_id: UUID, now: datetime) -> None:
    """As `take_hold`, for an instance that is written in this transaction and so has neither a hold nor charges."""
    _hold(demand, sellers, instance_id=instance_id, charged_before=0, now=now)


def _hold(demand: SpendDemand, sellers: set[UUID], *, instance_id: UUID, charged_before: int, now: datetime) -> None:
    SpendHold.objects.bulk_create(
        SpendHold(
            tenant_id=demand.project.tenant_id,
            instance_id=instance_id,
            project_id=demand.project.id,
            billing_profile_id=demand.project.billing_profile_id,
            seller_id=seller_id,
            hold_numerator=demand.hold_numerator(seller_id),
            estimate_numerator=demand.estimate_numerator(seller_id),
            charged_before=charged_before,
            taken_at=now,
        )
        for seller_id in sorted(sellers)
    )


def _sellers_with_credit(
    demand: SpendDemand,
    accounts: Sequence[CreditAccount],
    burns: list[Burn],
    held: list[Held],
    *,
    must_all: bool,
    now: datetime,
) -> set[UUID]:
    states: dict[UUID, CreditState] = {
        account.seller_id: read_state(account=account, now=now, burns=burns, held=held) for account in accounts
    }
    enough = {
        seller_id
        for seller_id, state in states.items()
        if state.available_numerator >= demand.hold_numerator(seller_id)
    }
    if not enough or (must_all and len(enough) < len(demand.micros_per_hour_by_seller)):
        available = (min if must_all else max)((state.available_numerator for state in states.values()), default=0)
        needed = min(demand.hold_numerator(seller_id) for seller_id in demand.micros_per_hour_by_seller)
        facts = {"available": won_floor(available), "needed": won_ceiling(needed)}
        raise InsufficientBalance(facts=facts, pointer="/project")
    return enough


def _require_budgets(
    demand: SpendDemand,
    sellers: set[UUID],
    *,
    budgets: Sequence[Budget],
    burns: Sequence[Burn],
    held: Sequence[Held],
    now: datetime,
) -> None:
    needed = max(demand.estimate_numerator(seller_id) for seller_id in sellers)
    states = read_budget_states(tenant_id=demand.project.tenant_id, budgets=budgets, now=now, burns=burns, held=held)
    for state in states:
        left = state.left_numerator
        if needed > left:
            raise _exceeded(state, left=left, needed=needed)


def _exceeded(state: BudgetState, *, left: int, needed: int) -> BudgetExceeded:
    project = state.budget.project
    facts = {
        "scope": project.name if project else _("the organization"),
        "amount": format_won(state.budget.amount_won),
        "left": won_floor(left),
        "needed": won_ceiling(needed),
    }
    return BudgetExceeded(facts=facts, pointer="/max_duration_s")


def won_floor(numerator: int) -> str:
    """Shown so that a refusal never claims that there is more than there is; not below ₩0."""
    return format_won(max(0, numerator) // NUMERATOR_PER_WON)


def won_ceiling(numerator: int) -> str:
    """Shown so that a refusal never claims that less is needed."""
    return format_won(-(-numerator // NUMERATOR_PER_WON))

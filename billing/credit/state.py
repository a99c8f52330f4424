"""What is left of an account now, exactly."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Sum
from django.db.models.functions import Coalesce

from billing.models import CreditAccount, CreditDraw, CreditLot, CreditMovement, Invoice, MovementKind
from billing.runway import Lot, Runway, look_ahead
from billing.spend import Burn, Held, find_rate_change, read_burns, read_held, read_uninvoiced
from marketplace.kernel.money import NUMERATOR_PER_WON, won_from_numerator
from marketplace.tenants.models.billing_profile import PaymentMode


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditState:
    """An account at an instant.

    Attributes:
        lots: What no use was posted against yet, by lot; a debt is a lot-less one below 0.
        balance_won: As posted in the ledger.
        unsettled_won: Use that is not posted yet, rounded by month: what the next settlement posts.
        unsettled_numerator: The same, exact.
        held_numerator: What wanted instances keep of it beyond what they have used.
        numerator_per_second: What runs uses each second.
        rate_changes_at: Until when that holds.
    """

    account: CreditAccount
    lots: tuple[Lot, ...]
    debt_won: int
    balance_won: int
    unsettled_won: int
    unsettled_numerator: int
    held_numerator: int
    numerator_per_second: int
    rate_changes_at: datetime | None
    as_of: datetime

    @property
    def remaining_numerator(self) -> int:
        """Balance less use so far; below 0 when more was used than paid."""
        return self.balance_won * NUMERATOR_PER_WON - self.unsettled_numerator

    @property
    def remaining_won(self) -> int:
        """For showing."""
        return won_from_numerator(self.remaining_numerator)

    @property
    def available_numerator(self) -> int:
        """What a new instance can count on."""
        return self.remaining_numerator - self.held_numerator

    @property
    def runway(self) -> Runway:
        """How long it lasts."""
        return look_ahead(
            lots=self.lots,
            unsettled_numerator=self.unsettled_numerator + self.debt_won * NUMERATOR_PER_WON,
            numerator_per_second=self.numerator_per_second,
            now=self.as_of,
        )


def read_state(
    *,
    account: CreditAccount,
    now: datetime,
    burns: Sequence[Burn] | None = None,
    held: Sequence[Held] | None = None,
) -> CreditState:
    """Add an account up from its rows; for a decision the caller has locked it.

    Args:
        burns, held: The tenant's at the same instant, where the caller has read them already.
    """
    return read_states(accounts=[account], now=now, burns=burns, held=held)[0]


def read_states(
    *,
    accounts: Sequence[CreditAccount],
    now: datetime,
    burns: Sequence[Burn] | None = None,
    held: Sequence[Held] | None = None,
) -> list[CreditState]:
    """Add accounts up from their rows, in the same order; eleven queries where nothing is agreed, however many accounts.

    Args:
        burns, held: As `read_state`, of all the accounts' tenants.
    """
    tenants = {account.tenant_id for account in accounts}
    if burns is None:
        burns = read_burns(tenant_ids=tenants, now=now)
    if held is None:
        held = read_held(tenant_ids=tenants, burns=burns)
    payers = {account.billing_profile_id for account in accounts}
    uninvoiced = read_uninvoiced(billing_profile_ids=payers)
    posted = _posted_won([account.id for account in accounts])
    invoiced = _invoiced_won(payers)
    lots, debts = _read_lots([account.id for account in accounts])
    states = []
    for account in accounts:
        key = (account.billing_profile_id, account.seller_id)
        own = [burn for burn in burns if (burn.billing_profile_id, burn.seller_id) == key]
        by_month = dict(uninvoiced.get(key, {}))
        for burn in own:
            for month, numerator in burn.numerator_by_month.items():
                by_month[month] = by_month.get(month, 0) + numerator
        billed_won = invoiced.get(key, 0) - posted.get(account.id, 0)
        left, debt = lots.get(account.id, []), debts.get(account.id, 0)
        states.append(
            CreditState(
                account=account,
                lots=tuple(left),
                debt_won=debt,
                balance_won=sum(lot.remaining_won for lot in left) - debt,
                unsettled_won=billed_won + sum(won_from_numerator(exact) for exact in by_month.values()),
                unsettled_numerator=billed_won * NUMERATOR_PER_WON + sum(by_month.values()),
                held_numerator=sum(
                    item.hold_numerator for item in held if (item.billing_profile_id, item.seller_id) == key
                ),
                numerator_per_second=sum(burn.numerator_per_second for burn in own),
                rate_changes_at=find_rate_change(burns=own, now=now),
                as_of=now,
            )
        )
    return states


def read_lots(*, account_id: UUID) -> tuple[list[Lot], int]:
    """Lots of which something is left, and the debt (below 0: credit given back, which never expires); two queries."""
    lots, debts = _read_lots([account_id])
    return lots.get(account_id, []), debts.get(account_id, 0)


def _read_lots(account_ids: Collection[UUID]) -> tuple[dict[UUID, list[Lot]], dict[UUID, int]]:
    lots: dict[UUID, list[Lot]] = {}
    rows = CreditLot.objects.filter(account_id__in=account_ids).annotate(drawn=Coalesce(Sum("draws__amount_won"), 0))
    for row in rows:
        if row.amount_won > row.drawn:
            left = Lot(lot_id=row.id, remaining_won=row.amount_won - row.drawn, expires_at=row.expires_at)
            lots.setdefault(row.account_id, []).append(left)
    debts = (
        CreditDraw.objects.filter(account_id__in=account_ids, lot__isnull=True)
        .values_list("account_id")
        .annotate(won=Sum("amount_won"))
    )
    return lots, {account_id: int(won) for account_id, won in debts}


def _posted_won(account_ids: Collection[UUID]) -> dict[UUID, int]:
    """What settlements have posted, by account."""
    rows = CreditMovement.objects.filter(account_id__in=account_ids, kind=MovementKind.USE)
    summed = rows.values_list("account_id").annotate(won=Sum("amount_won"))
    return {account_id: -int(won) for account_id, won in summed}


def _invoiced_won(billing_profile_ids: Collection[UUID]) -> dict[tuple[UUID, UUID], int]:
    """Supply values of the invoices that credit pays, by (payer, seller)."""
    rows = Invoice.objects.filter(billing_profile_id__in=billing_profile_ids, payment_mode=PaymentMode.PREPAID)
    summed = rows.values_list("billing_profile_id", "seller_id").annotate(won=Sum("supply_won"))
    return {(billing_profile_id, seller_id): int(won) for billing_profile_id, seller_id, won in summed}

"""What is left of an account now, exactly."""

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
    burns: list[Burn] | None = None,
    held: list[Held] | None = None,
) -> CreditState:
    """Add an account up from its rows; for a decision the caller has locked it.

    Args:
        burns, held: The tenant's at the same instant, where the caller has read them already.
    """
    if burns is None:
        burns = read_burns(tenant_id=account.tenant_id, now=now)
    if held is None:
        held = read_held(tenant_id=account.tenant_id, burns=burns)
    key = (account.billing_profile_id, account.seller_id)
    own = [burn for burn in burns if (burn.billing_profile_id, burn.seller_id) == key]
    by_month = read_uninvoiced(billing_profile_id=account.billing_profile_id, seller_id=account.seller_id)
    for burn in own:
        for month, numerator in burn.numerator_by_month.items():
            by_month[month] = by_month.get(month, 0) + numerator
    posted = _posted_won(account.id)
    invoiced = _invoiced_won(account)
    lots, debt = read_lots(account_id=account.id)
    return CreditState(
        account=account,
        lots=tuple(lots),
        debt_won=debt,
        balance_won=sum(lot.remaining_won for lot in lots) - debt,
        unsettled_won=invoiced + sum(won_from_numerator(exact) for exact in by_month.values()) - posted,
        unsettled_numerator=(invoiced - posted) * NUMERATOR_PER_WON + sum(by_month.values()),
        held_numerator=sum(item.hold_numerator for item in held if (item.billing_profile_id, item.seller_id) == key),
        numerator_per_second=sum(burn.numerator_per_second for burn in own),
        rate_changes_at=find_rate_change(burns=own, now=now),
        as_of=now,
    )


def read_lots(*, account_id: UUID) -> tuple[list[Lot], int]:
    """Lots of which something is left, and the debt (below 0: credit given back, which never expires); two queries."""
    rows = CreditLot.objects.filter(account_id=account_id).annotate(drawn=Coalesce(Sum("draws__amount_won"), 0))
    lots = [
        Lot(lot_id=row.id, remaining_won=row.amount_won - row.drawn, expires_at=row.expires_at)
        for row in rows
        if row.amount_won > row.drawn
    ]
    debt = CreditDraw.objects.filter(account_id=account_id, lot__isnull=True).aggregate(won=Sum("amount_won"))["won"]
    return lots, int(debt or 0)


def _posted_won(account_id: UUID) -> int:
    used = CreditMovement.objects.filter(account_id=account_id, kind=MovementKind.USE).aggregate(won=Sum("amount_won"))
    return -int(used["won"] or 0)


def _invoiced_won(account: CreditAccount) -> int:
    """Supply values of the invoices that credit pays."""
    rows = Invoice.objects.filter(
        billing_profile_id=account.billing_profile_id,
        seller_id=account.seller_id,
        payment_mode=PaymentMode.PREPAID,
    )
    return int(rows.aggregate(won=Sum("supply_won"))["won"] or 0)

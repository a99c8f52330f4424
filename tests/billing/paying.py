"""Credit and budgets for tests, through the product's own operations."""

from datetime import datetime, timedelta
from uuid import UUID

from billing.budgets import set_budget
from billing.credit import record_top_up, set_payment_mode
from billing.metering import meter_instance
from billing.models import Budget, BudgetPeriod, CreditAccount, OnLimit, TopUp
from billing.payments.bank_transfer import read_transfer
from billing.watch import Watched, list_due_tenants, watch_instances, watch_tenant
from marketplace.inventory.models import Seller
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.tenants.models.billing_profile import PaymentMode
from tests.market import NOW, STAFF, Renter


def seller_id() -> UUID:
    """The one seller of the small market."""
    with as_actor(STAFF):
        return Seller.objects.get().id


def prepay(
    renter: Renter,
    paid_won: int,
    *,
    seller: UUID | None = None,
    now: datetime = NOW,
    expires_at: datetime | None = None,
) -> TopUp:
    """Have the renter's payer pay ahead, with so much paid, VAT included, to the one seller unless another is named."""
    payment = read_transfer(
        paid_won=paid_won, currency="KRW", reference=str(ids.new_id()), received_at=now - timedelta(minutes=5)
    )
    seller = seller or seller_id()
    with as_actor(STAFF):
        profile = renter.project.billing_profile_id
        set_payment_mode(actor=STAFF, billing_profile_id=profile, mode=PaymentMode.PREPAID, reason="test", now=now)
        return record_top_up(
            actor=STAFF, billing_profile_id=profile, seller_id=seller, payment=payment, reason="test", now=now,
            expires_at=expires_at,
        )  # fmt: skip


def account_of(renter: Renter) -> CreditAccount:
    """As it stands in the database now."""
    with as_actor(STAFF):
        return CreditAccount.objects.get(billing_profile_id=renter.project.billing_profile_id)


def budget_for(
    renter: Renter,
    amount_won: int,
    *,
    on_limit: OnLimit = OnLimit.STOP,
    period: BudgetPeriod = BudgetPeriod.MONTH,
    is_whole_tenant: bool = False,
    now: datetime = NOW,
) -> Budget:
    """A budget of the renter's project, told at 50 and 80 %."""
    with as_actor(renter.actor):
        return set_budget(
            actor=renter.actor,
            tenant_id=renter.tenant.id,
            project_id=None if is_whole_tenant else renter.project.id,
            period=period,
            amount_won=amount_won,
            thresholds=[50, 80],
            on_limit=on_limit,
            now=now,
        )


def meter_and_watch(instance_id: UUID, *, now: datetime) -> None:
    """What the hint of a move does, a second later: nothing is metered in the very instant of its start."""
    now += timedelta(seconds=1)
    with as_actor(STAFF):
        meter_instance(instance_id=instance_id, now=now)
    watch_instances(actor=STAFF, instance_ids=[instance_id], now=now)


def watch_due(*, now: datetime) -> list[Watched]:
    """What the timer does."""
    with as_actor(STAFF):
        due = list_due_tenants(now=now)
    return [watch_tenant(actor=STAFF, tenant_id=tenant_id, now=now) for tenant_id in due]

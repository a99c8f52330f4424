"""Paying ahead: top-ups, holds, the daily settlement, warn → grace → stop, expiry, and invoices paid from credit."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from billing.credit import (
    PaymentModeLocked,
    PaymentReused,
    SecondPersonNeeded,
    TopUpDecided,
    decide_top_up,
    read_state,
    record_top_up,
    set_payment_mode,
    settle_due,
)
from billing.holds import InsufficientBalance
from billing.ledger import AccountKind, find_difference, read_balance
from billing.models import CreditLot, CreditMovement, LedgerTransaction, SpendHold, TopUp
from billing.month_close import close_month
from billing.payments.bank_transfer import read_transfer
from billing.payments.port import CurrencyNotAccepted, PaymentAmountInvalid, parse_won
from marketplace.instances.models import Instance, Transition
from marketplace.instances.operations import record_gone
from marketplace.instances.states import Action, State
from marketplace.journeys.stop import request_action
from marketplace.kernel.actors import Actor, ActorKind, as_actor, savepoint
from marketplace.kernel.models import Notice
from marketplace.tenants.models.billing_profile import PaymentMode
from tests.billing.paying import account_of, meter_and_watch, prepay, seller_id, watch_due
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as, run_instance

pytestmark = pytest.mark.django_db

NOVEMBER = date(2026, 11, 1)
AFTER = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
RATE_WON = 10_800
"""Two H200s at ₩5,400 an hour."""


def balance(renter: Renter, kind: AccountKind) -> int:
    """A ledger account's, debit positive."""
    with as_actor(STAFF):
        seller = account_of_seller(renter)
        return read_balance(tenant_id=renter.tenant.id, seller_id=seller, kind=kind)


def account_of_seller(renter: Renter) -> Any:
    """The seller's id, within an open transaction."""
    return CreditLot.objects.filter(tenant_id=renter.tenant.id).values_list("account__seller_id", flat=True)[0]


def state_of(renter: Renter, *, now: datetime) -> Any:
    """What is left."""
    account = account_of(renter)
    with as_actor(STAFF):
        return read_state(account=account, now=now)


def renter_with(paid_won: int, **options: Any) -> Renter:
    """A market and a renter that paid ahead."""
    build_market()
    renter = add_renter()
    prepay(renter, paid_won, **options)
    with as_actor(STAFF):
        renter.project.refresh_from_db()
    return renter


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"paid_won": -5}, PaymentAmountInvalid),
        ({"paid_won": 0}, PaymentAmountInvalid),
        ({"paid_won": 1.5}, PaymentAmountInvalid),
        ({"paid_won": True}, PaymentAmountInvalid),
        ({"currency": "USD"}, CurrencyNotAccepted),
        ({"currency": ""}, CurrencyNotAccepted),
    ],
)
def test_negative_and_fractional_won_and_other_currencies_are_refused(
    members: dict[str, Any], error: type[Exception]
) -> None:
    """At the port, before anything is written."""
    whole: dict[str, Any] = {"paid_won": 110_000, "currency": "KRW", "reference": "1", "received_at": NOW}
    with pytest.raises(error):
        read_transfer(**{**whole, **members})


@pytest.mark.parametrize("text", ["-5", "1.5", "1,5", "1,00", ",100", "1e6", "", "١٢", "0x10", "1 000", "1" * 16])
def test_what_a_form_says_must_be_digits(text: str) -> None:
    """With separators of thousands and the sign of the won, if anything."""
    with pytest.raises(PaymentAmountInvalid):
        parse_won(text)
    assert parse_won(" ₩1,100,000 ") == 1_100_000


def test_a_payment_becomes_credit_and_vat_once() -> None:
    """₩110,000 is ₩100,000 of credit; the same reference again is the same top-up, with another amount it is refused."""
    renter = renter_with(110_000)
    assert (balance(renter, AccountKind.BANK), balance(renter, AccountKind.CREDIT)) == (110_000, -100_000)
    assert balance(renter, AccountKind.CREDIT_VAT) == -10_000
    with as_actor(STAFF):
        first = TopUp.objects.get()
        arguments: dict[str, Any] = {
            "actor": STAFF, "billing_profile_id": renter.project.billing_profile_id, "reason": "again", "now": NOW,
            "seller_id": first.account.seller_id,
        }  # fmt: skip

        def transfer(won: int) -> Any:
            return read_transfer(paid_won=won, currency="KRW", reference=first.reference, received_at=NOW)

        assert record_top_up(payment=transfer(110_000), **arguments) == first
        with pytest.raises(PaymentReused), savepoint():
            record_top_up(payment=transfer(110_001), **arguments)
        assert (TopUp.objects.count(), LedgerTransaction.objects.count(), CreditMovement.objects.count()) == (1, 1, 1)
        assert find_difference() is None


def test_a_large_top_up_waits_for_somebody_else() -> None:
    """Ten million won and more: whoever recorded it may not agree, and it is decided once."""
    build_market()
    renter = add_renter()
    seller = seller_id()
    first = Actor(kind=ActorKind.OPERATOR, name="one@ondol.example")
    second = Actor(kind=ActorKind.OPERATOR, name="two@ondol.example")
    payment = read_transfer(paid_won=11_000_000, currency="KRW", reference="big", received_at=NOW)
    with as_actor(first):
        top_up = record_top_up(
            actor=first, billing_profile_id=renter.project.billing_profile_id, seller_id=seller, payment=payment,
            reason="first", now=NOW,
        )  # fmt: skip
        assert top_up.booked_at is None
        assert (CreditLot.objects.count(), LedgerTransaction.objects.count()) == (0, 0)
        with pytest.raises(SecondPersonNeeded), savepoint():
            decide_top_up(actor=first, top_up_id=top_up.id, accept=True, reason="self", now=NOW)
    with as_actor(second):
        booked = decide_top_up(actor=second, top_up_id=top_up.id, accept=True, reason="compared", now=NOW)
        assert (booked.booked_at, booked.decided_by) == (NOW, "two@ondol.example")
        with pytest.raises(TopUpDecided), savepoint():
            decide_top_up(actor=second, top_up_id=top_up.id, accept=False, reason="again", now=NOW)
        assert CreditLot.objects.get().amount_won == 10_000_000
        assert not Notice.objects.filter(code="credit.top_up_waiting", resolved_at__isnull=True).exists()


def test_renting_without_credit_for_an_hour_writes_nothing_and_a_hold_is_counted() -> None:
    """Two instances of ₩10,800 an hour need ₩21,600: with ₩21,599 the second is refused."""
    renter = renter_with(23_758)
    rent_as(renter, name="one")
    with pytest.raises(InsufficientBalance) as refused:
        rent_as(renter, name="two")
    assert refused.value.facts == {"available": "₩10,798", "needed": "₩10,800"}
    with as_actor(STAFF):
        assert (Instance.objects.count(), SpendHold.objects.count()) == (1, 1)
    rent_as(renter, name="short", max_duration_s=1_800)


def test_use_eats_its_own_hold_first_and_a_rest_gives_it_back() -> None:
    """Half an hour of an instance leaves half its hold; once it rests, none."""
    renter = renter_with(110_000)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    half = NOW + HOUR / 2
    meter_and_watch(instance.id, now=half)
    state = state_of(renter, now=half)
    assert (state.remaining_won, state.available_numerator) == (94_600, 89_200 * 3_600_000_000)
    with as_actor(renter.actor):
        request_action(actor=renter.actor, instance_id=instance.id, action=Action.END, now=half)
    with as_actor(STAFF):
        record_gone(instance_id=instance.id, attempt=1, now=half)
    meter_and_watch(instance.id, now=half)
    assert state_of(renter, now=half).held_numerator == 0
    with as_actor(STAFF):
        assert SpendHold.objects.get().released_at == half + timedelta(seconds=1)


def test_it_warns_a_day_before_tells_again_an_hour_before_and_stops_at_zero() -> None:
    """₩270,000 last 25 hours; the timer comes up to 30 s late each time, and overspend stays below rate × 30 s."""
    renter = renter_with(297_000)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    late = timedelta(seconds=30)
    told = []
    for _ in range(4):
        at = account_of(renter).next_crossing_at
        if at is None:
            break
        watch_due(now=at + late)
        with as_actor(STAFF):
            instance.refresh_from_db()
            notice = Notice.objects.get(resolved_at__isnull=True, tenant_id=renter.tenant.id)
        told.append(((at - NOW) / HOUR, notice.code, instance.state))
        if instance.state == State.STOPPING:
            break
    assert told == [
        (1.0, "credit.low", "running"),
        (24.0, "credit.grace", "running"),
        (25.0, "credit.exhausted", "stopping"),
    ]
    stopped_at = NOW + 25 * HOUR + late
    meter_and_watch(instance.id, now=stopped_at)
    state = state_of(renter, now=stopped_at + HOUR)
    assert -state.remaining_won == RATE_WON * 30 // 3_600
    with as_actor(STAFF):
        last = Transition.objects.filter(instance=instance).order_by("-id").first()
        assert last is not None
        assert (last.reason, last.occurred_at, last.trigger) == ("credit_exhausted", stopped_at, "watch")
        assert record_gone(instance_id=instance.id, attempt=1, now=stopped_at) is State.STOPPED
    with as_actor(renter.actor), pytest.raises(InsufficientBalance), savepoint():
        request_action(actor=renter.actor, instance_id=instance.id, action=Action.START, now=stopped_at)
    prepay(renter, 110_000, now=stopped_at)
    watch_due(now=stopped_at)
    with as_actor(STAFF):
        assert not Notice.objects.filter(resolved_at__isnull=True, tenant_id=renter.tenant.id).exists()
    with as_actor(renter.actor):
        started = request_action(actor=renter.actor, instance_id=instance.id, action=Action.START, now=stopped_at)
    assert started.state == State.QUEUED


def test_what_waits_is_stopped_too_when_the_credit_is_gone() -> None:
    """Else it would start in the night and run into debt."""
    renter = renter_with(33_000)
    running = run_instance(renter, started_at=NOW, ended_at=None)
    waiting = rent_as(renter, name="waits")
    meter_and_watch(running.id, now=NOW)
    watch_due(now=NOW + 3 * HOUR)
    with as_actor(STAFF):
        states = dict(Instance.objects.values_list("id", "state"))
    assert states == {running.id: State.STOPPING, waiting.id: State.STOPPED}


def test_each_day_the_difference_is_posted_and_posted_once() -> None:
    """₩3 a second: nine hours until midnight in Seoul ten hours later, then a day more."""
    renter = renter_with(1_100_000)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    first = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
    assert [settle_due(actor=STAFF, now=first) for _ in range(2)] == [1, 0]
    assert balance(renter, AccountKind.CREDIT) == -(1_000_000 - 12 * RATE_WON)
    assert settle_due(actor=STAFF, now=first + 24 * HOUR) == 1
    assert balance(renter, AccountKind.CREDIT) == -(1_000_000 - 36 * RATE_WON)
    assert balance(renter, AccountKind.SETTLED) == -36 * RATE_WON
    assert state_of(renter, now=first + 24 * HOUR).remaining_won == 1_000_000 - 36 * RATE_WON
    with as_actor(STAFF):
        assert find_difference() is None


def test_an_invoice_is_paid_from_credit_with_every_won_of_rounding() -> None:
    """Three runs of odd seconds, settled each day, then invoiced: nothing is owed and nothing of the month stays settled."""
    renter = renter_with(1_100_000)
    for days, seconds in ((0, 61), (1, 3_607), (3, 59)):
        start = NOW + timedelta(days=days)
        instance = run_instance(
            renter, started_at=start, ended_at=start + timedelta(seconds=seconds), devices=1, name=f"d{days}"
        )
        meter_and_watch(instance.id, now=start + HOUR * 2)
        settle_due(actor=STAFF, now=start + timedelta(days=1))
    invoice = close_month(actor=STAFF, month=NOVEMBER, now=AFTER)[0]
    assert (invoice.supply_won, invoice.vat_won, invoice.payment_mode) == (92 + 5_411 + 89, 559, PaymentMode.PREPAID)
    owed = [balance(renter, kind) for kind in (AccountKind.RECEIVABLE, AccountKind.SETTLED)]
    assert owed == [0, 0]
    assert balance(renter, AccountKind.CREDIT) == -(1_000_000 - invoice.supply_won)
    assert balance(renter, AccountKind.CREDIT_VAT) == -(100_000 - invoice.vat_won)
    assert state_of(renter, now=AFTER).remaining_won == 1_000_000 - invoice.supply_won
    with as_actor(STAFF):
        assert find_difference() is None


def test_a_debt_is_covered_by_the_next_top_up() -> None:
    """₩10,800 paid for an hour, ninety minutes used before anybody looked."""
    renter = renter_with(11_880)
    instance = run_instance(renter, started_at=NOW, ended_at=NOW + 1.5 * HOUR)
    meter_and_watch(instance.id, now=NOW + 2 * HOUR)
    settle_due(actor=STAFF, now=NOW + 24 * HOUR)
    assert state_of(renter, now=NOW + 24 * HOUR).balance_won == -5_400
    prepay(renter, 11_000, now=NOW + 25 * HOUR)
    state = state_of(renter, now=NOW + 25 * HOUR)
    assert (state.balance_won, state.debt_won, [lot.remaining_won for lot in state.lots]) == (4_600, 0, [4_600])
    with as_actor(STAFF):
        assert find_difference() is None


def test_a_lot_expires_after_what_was_used_before() -> None:
    """₩100,000 for two hours, ₩50,000 without end: of the first ₩21,600 are used, the rest is gone."""
    renter = renter_with(110_000, expires_at=NOW + 2 * HOUR)
    prepay(renter, 55_000)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    at = account_of(renter).next_crossing_at
    assert at == NOW + 2 * HOUR
    watch_due(now=at)
    assert balance(renter, AccountKind.EXPIRED_CREDIT) == -(78_400 + 7_840)
    state = state_of(renter, now=at)
    assert (state.remaining_won, state.balance_won) == (50_000, 50_000)
    assert watch_due(now=at) == []
    with as_actor(STAFF):
        assert find_difference() is None


def test_the_way_of_paying_changes_only_when_nothing_is_open() -> None:
    """Neither while something runs nor before its charges are invoiced."""
    renter = renter_with(110_000)
    instance = run_instance(renter, started_at=NOW, ended_at=NOW + HOUR)
    meter_and_watch(instance.id, now=NOW + HOUR)
    arguments: dict[str, Any] = {
        "actor": STAFF, "billing_profile_id": renter.project.billing_profile_id, "mode": PaymentMode.ARREARS, "reason": "x",
    }  # fmt: skip
    with as_actor(STAFF), pytest.raises(PaymentModeLocked), savepoint():
        set_payment_mode(now=NOW + HOUR, **arguments)
    close_month(actor=STAFF, month=NOVEMBER, now=AFTER)
    with as_actor(STAFF):
        assert set_payment_mode(now=AFTER, **arguments).payment_mode == PaymentMode.ARREARS


def test_another_tenant_sees_nothing_of_it() -> None:
    """Row-level security."""
    renter_with(110_000)
    other = add_renter(number="6068100016", name="다솜정밀")
    with as_actor(other.actor):
        for model in (CreditLot, CreditMovement, TopUp, SpendHold):
            assert model.objects.count() == 0

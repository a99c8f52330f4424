"""Commitments, discounts and minimums: what is refused, what is written when, and that a balance sees them beforehand."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from billing.agreements import CommitmentDraft, DiscountDraft, account_due, grant_discount, sign_commitment
from billing.agreements.signing import AgreementInvalid
from billing.costs import Dimension, read_month_to_date, read_running_cost, report_costs
from billing.credit.state import read_state
from billing.metering import meter_instance
from billing.models import Charge, ChargeKind, Commitment, CostDay, Discount
from billing.month_close import close_month
from billing.prices import PriceDraft, publish
from billing.rating import month_bounds
from marketplace.instances.models import Instance
from marketplace.instances.operations import begin_stopping, record_gone
from marketplace.instances.states import Reason
from marketplace.kernel.actors import as_actor
from marketplace.kernel.money import NUMERATOR_PER_WON
from tests.billing.paying import account_of, prepay
from tests.market import NOW, STAFF, Renter, SmallMarket, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db

WON = 1_000_000
NOVEMBER = date(2026, 11, 1)
HOUR = timedelta(hours=1)


def commit(market: SmallMarket, renter: Renter, **changes: Any) -> Commitment:
    """One device at ₩4,000 an hour for thirty days from now."""
    members: dict[str, Any] = {
        "billing_profile_id": renter.project.billing_profile_id, "offer_id": market.offer.id, "units": 1,
        "price_micros": 4_000 * WON, "started_at": NOW, "ended_at": NOW + timedelta(days=30),
    }  # fmt: skip
    with as_actor(STAFF):
        return sign_commitment(actor=STAFF, draft=CommitmentDraft(**{**members, **changes}), now=NOW, reason="contract")


def discount(renter: Renter, **changes: Any) -> Discount:
    """Ten percent in November."""
    members: dict[str, Any] = {
        "billing_profile_id": renter.project.billing_profile_id, "basis_points": 1_000, "first_month": NOVEMBER,
        "last_month": NOVEMBER,
    }  # fmt: skip
    with as_actor(STAFF):
        return grant_discount(actor=STAFF, draft=DiscountDraft(**{**members, **changes}), now=NOW, reason="contract")


def account(*, now: datetime) -> int:
    """What the timer does."""
    return account_due(actor=STAFF, now=now)


NOT_COMMITTED: list[tuple[dict[str, Any], str]] = [
    ({"units": 0}, "/units"),
    ({"price_micros": -1}, "/price"),
    ({"shape": "tiered"}, "/shape"),
    ({"unit": "gib"}, "/unit"),
    ({"unit_devices": 8}, "/unit_devices"),
    ({"started_at": NOW - timedelta(seconds=1)}, "/started_at"),
    ({"ended_at": NOW}, "/ended_at"),
    ({"ended_at": NOW + timedelta(days=2_000)}, "/ended_at"),
]
NOT_DISCOUNTED: list[tuple[dict[str, Any], str]] = [
    ({"basis_points": 0}, "/percent"),
    ({"basis_points": 10_001}, "/percent"),
    ({"cap_won": -5}, "/cap"),
    ({"first_month": date(2026, 11, 2)}, "/first_month"),
    ({"first_month": date(2026, 10, 1)}, "/first_month"),
    ({"first_month": date(2026, 12, 1)}, "/last_month"),
]


def test_what_cannot_be_agreed_is_refused_by_name() -> None:
    """Each wrong member; nothing is written."""
    market, renter = build_market(), add_renter()
    pointers = []
    for changes, _pointer in NOT_COMMITTED:
        with pytest.raises(AgreementInvalid) as caught:
            commit(market, renter, **changes)
        pointers.append(caught.value.pointer)
    assert pointers == [pointer for _changes, pointer in NOT_COMMITTED]
    pointers = []
    for changes, _pointer in NOT_DISCOUNTED:
        with pytest.raises(AgreementInvalid) as caught:
            discount(renter, **changes)
        pointers.append(caught.value.pointer)
    assert pointers == [pointer for _changes, pointer in NOT_DISCOUNTED]
    with as_actor(STAFF):
        assert (Commitment.objects.count(), Discount.objects.count()) == (0, 0)


def test_discounts_never_come_to_more_than_the_price() -> None:
    """60 % and 50 % of the same months are refused, 60 % and 40 % are not."""
    build_market()
    renter = add_renter()
    discount(renter, basis_points=6_000)
    with pytest.raises(AgreementInvalid):
        discount(renter, basis_points=5_000)
    assert discount(renter, basis_points=4_000).basis_points == 4_000


def test_cost_so_far_knows_what_is_covered_and_taken_off_before_anything_is_written() -> None:
    """Two devices run for an hour: ₩10,800, of which ₩5,400 are covered; ten percent of the rest; the fee is ₩4,000 an hour."""
    market, renter = build_market(), add_renter()
    commit(market, renter)
    discount(renter)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    with as_actor(STAFF):
        meter_instance(instance_id=instance.id, now=NOW + timedelta(seconds=1))
        assert Charge.objects.count() == 0
    with as_actor(renter.actor):
        own = read_running_cost(actor=renter.actor, instance=instance, now=NOW + HOUR)
        whole = read_month_to_date(actor=renter.actor, now=NOW + HOUR)
        later = read_month_to_date(actor=renter.actor, now=NOW + HOUR + timedelta(seconds=1))
        report = report_costs(actor=renter.actor, month=NOVEMBER, dimension=Dimension.PROJECT, now=NOW + HOUR)
    assert (own.won, whole.won) == (4_860, 8_860)
    assert [(row.label, row.won) for row in report.rows] == [("신용평가", 4_860), ("", 4_000)]
    assert report.total.numerator == whole.numerator
    assert later.numerator - whole.numerator == whole.numerator_per_second == report.total.numerator_per_second


def test_the_daily_sums_are_the_same_as_what_was_shown_and_are_written_once() -> None:
    """At midnight in Seoul, twelve hours after noon; asked again on the same day nothing is written."""
    market, renter = build_market(), add_renter()
    commit(market, renter)
    discount(renter)
    instance = run_instance(renter, started_at=NOW, ended_at=NOW + HOUR)
    midnight = NOW + timedelta(hours=12)
    with as_actor(STAFF):
        meter_instance(instance_id=instance.id, now=NOW + HOUR)
    with as_actor(renter.actor):
        shown = read_month_to_date(actor=renter.actor, now=midnight).numerator
    assert (account(now=midnight + timedelta(minutes=5)), account(now=midnight + timedelta(minutes=20))) == (3, 0)
    with as_actor(renter.actor):
        assert read_month_to_date(actor=renter.actor, now=midnight).numerator == shown
    with as_actor(STAFF):
        won = {row.kind: int(row.numerator) // NUMERATOR_PER_WON for row in Charge.objects.all()}
        days = sum(int(row.numerator) for row in CostDay.objects.all())
    assert won == {"usage": 10_800, "commitment": 48_000, "covered": -5_400, "discount": -540}
    assert days == shown == (10_800 + 48_000 - 5_400 - 540) * NUMERATOR_PER_WON


def test_a_balance_is_not_used_up_by_what_is_covered() -> None:
    """₩100,000 paid ahead; two devices committed at ₩1,000 run for ten hours: ₩20,000 are used, not ₩128,000."""
    market, renter = build_market(), add_renter()
    prepay(renter, 110_000)
    commit(market, renter, units=2, price_micros=1_000 * WON)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    with as_actor(STAFF):
        meter_instance(instance_id=instance.id, now=NOW + timedelta(seconds=1))
        state = read_state(account=account_of(renter), now=NOW + 10 * HOUR)
    assert (state.remaining_won, state.numerator_per_second) == (80_000, 2 * 1_000 * WON)


def test_usage_found_after_the_close_is_covered_too() -> None:
    """The invoice of November has the fee; a late hour of use adds nothing beyond what it takes off: an adjustment of ₩0 lines."""
    market, renter = build_market(), add_renter()
    commit(market, renter, ended_at=NOW + 10 * HOUR)
    after = month_bounds(NOVEMBER)[1]
    (first,) = close_month(actor=STAFF, month=NOVEMBER, now=after)
    assert [(line["kind"], line["supply_won"]) for line in first.document["lines"]] == [("commitment", 40_000)]
    run_instance(renter, started_at=NOW, ended_at=NOW + HOUR, devices=1)
    (second,) = close_month(actor=STAFF, month=NOVEMBER, now=after + timedelta(days=1))
    lines = sorted((line["kind"], line["supply_won"]) for line in second.document["lines"])
    assert (second.sequence, second.total_won, lines) == (2, 0, [("covered", -5_400), ("usage", 5_400)])


def test_two_commitments_do_not_cover_the_same_use_twice() -> None:
    """One device each, one device in use: the earlier one covers it, the later one nothing."""
    market, renter = build_market(), add_renter()
    first = commit(market, renter)
    commit(market, renter, started_at=NOW + timedelta(seconds=1))
    instance = run_instance(renter, started_at=NOW + timedelta(seconds=1), ended_at=NOW + HOUR, devices=1)
    with as_actor(STAFF):
        meter_instance(instance_id=instance.id, now=NOW + HOUR)
    account(now=NOW + timedelta(hours=13))
    with as_actor(STAFF):
        covered = list(Charge.objects.filter(kind=ChargeKind.COVERED).values_list("agreement_id", "unit_seconds"))
    assert covered == [(first.id, -3_599)]


def test_a_cap_holds_over_months_and_is_used_up_in_order() -> None:
    """₩1,000 in all: ₩540 in November, the remaining ₩460 in December."""
    build_market()
    renter = add_renter()
    discount(renter, last_month=date(2026, 12, 1), cap_won=1_000)
    run_instance(renter, started_at=NOW, ended_at=NOW + HOUR, devices=1)
    december = NOW + timedelta(days=14)
    run_instance(renter, started_at=december, ended_at=december + HOUR, devices=1)
    won = []
    for month in (NOVEMBER, date(2026, 12, 1)):
        (invoice,) = close_month(actor=STAFF, month=month, now=month_bounds(month)[1])
        won.append(sorted(line["supply_won"] for line in invoice.document["lines"]))
    assert won == [[-540, 5_400], [-460, 5_400]]


def minimal(renter: Renter, market: SmallMarket, *, reason: Reason) -> Instance:
    """An hour of one device with a minimum term of two, ended for a reason."""
    with as_actor(STAFF):
        draft = PriceDraft(offer_id=market.offer.id, price_micros=5_400 * WON, minimum_s=7_200)
        publish(actor=STAFF, draft=draft, effective_from=NOW, now=NOW)
    instance = run_instance(renter, started_at=NOW, ended_at=None, devices=1)
    end = NOW + HOUR
    with as_actor(STAFF):
        Instance.objects.filter(id=instance.id).update(goal="end")
        begin_stopping(instance_id=instance.id, attempt=1, reason=reason, occurred_at=end, now=end)
        record_gone(instance_id=instance.id, attempt=1, now=end)
    return instance


@pytest.mark.parametrize(("reason", "won"), [(Reason.COMPLETED, [5_400]), (Reason.NODE_LOST, [])])
def test_a_minimum_is_owed_once_and_not_where_the_provider_ended_it(reason: Reason, won: list[int]) -> None:
    """However often the instance is metered."""
    market, renter = build_market(), add_renter()
    instance = minimal(renter, market, reason=reason)
    with as_actor(STAFF):
        for _ in range(3):
            meter_instance(instance_id=instance.id, now=NOW + HOUR)
        rows = Charge.objects.filter(kind=ChargeKind.MINIMUM)
        assert [int(row.numerator) // NUMERATOR_PER_WON for row in rows] == won

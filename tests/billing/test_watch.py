"""What looking at credit and budgets costs, and that nothing which moves is overlooked."""

from datetime import date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.agreements.signing import DiscountDraft, grant_discount
from billing.credit import settle_due
from billing.credit.reading import ACCOUNTS_PER_PAGE, list_accounts_for_operators
from billing.metering.outages import apply_outage, list_unapplied
from billing.models import Budget, CreditAccount, SpendHold
from billing.price_changes import announce, answer_change
from billing.prices import publish_price
from billing.watch import LOOKED_AT_ONCE_MAX, list_due_tenants, watch_instances, watch_tenant
from marketplace.instances.models import Instance
from marketplace.instances.operations import SeenRun, record_seen_again
from marketplace.inventory.outages import record_answer, record_relisted, record_silences
from marketplace.inventory.stock import record_seen
from marketplace.kernel.actors import as_actor
from tests.billing.many import run_many
from tests.billing.paying import account_of, budget_for, meter_and_watch, prepay, seller_id, watch_due
from tests.market import NOW, STAFF, Renter, SmallMarket, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LATER = NOW + HOUR


@pytest.fixture
def market() -> SmallMarket:
    """With one offer of ₩5,400 an hour."""
    return build_market()


def payer_with(market: SmallMarket, running: int, *, number: str = "1168100018", name: str = "가온은행") -> Renter:
    """Pays ahead, has a budget, and runs so many instances of one device since noon; looked at at noon."""
    renter = add_renter(number=number, name=name)
    prepay(renter, 110_000_000 // 12)
    budget_for(renter, 1_000_000_000)
    if running:
        run_many(renter, market, running, since=NOW)
    watch_tenant(actor=STAFF, tenant_id=renter.tenant.id, now=NOW + timedelta(seconds=1))
    return renter


def moves(renter: Renter) -> int:
    """How many queries the news of a move need."""
    with as_actor(STAFF):
        instance = Instance.objects.filter(tenant=renter.tenant).order_by("id")[0]
    with CaptureQueriesContext(connection) as asked:
        watch_instances(actor=STAFF, instance_ids=[instance.id], now=LATER)
    return len(asked)


def test_a_tenant_that_runs_little_is_looked_at_at_each_move(market: SmallMarket) -> None:
    """Its next line is known at once."""
    renter = payer_with(market, LOOKED_AT_ONCE_MAX)
    moves(renter)
    with as_actor(STAFF):
        assert list_due_tenants(now=LATER) == []
    crossing = account_of(renter).next_crossing_at
    assert crossing is not None
    assert crossing > LATER


def test_of_a_tenant_that_runs_much_a_move_only_marks_and_the_sweep_looks_once(market: SmallMarket) -> None:
    """However many moves there are; and a hold whose instance rests is given back at the move itself."""
    renter = payer_with(market, LOOKED_AT_ONCE_MAX + 1)
    with as_actor(STAFF):
        rested = Instance.objects.filter(tenant=renter.tenant).order_by("id")[0]
        Instance.objects.filter(id=rested.id).update(state="stopped")
    asked = [moves(renter) for _move in range(3)]
    assert asked[1] == asked[2] <= asked[0]
    with as_actor(STAFF):
        assert list_due_tenants(now=LATER) == [renter.tenant.id]
        assert Budget.objects.get().next_crossing_at == LATER
        assert SpendHold.objects.get(instance=rested).released_at == LATER
    assert len(watch_due(now=LATER)) == 1
    with as_actor(STAFF):
        assert list_due_tenants(now=LATER) == []


def test_a_move_costs_the_same_whatever_else_the_tenant_runs(market: SmallMarket) -> None:
    """Sixty or a hundred and twenty instances: the same queries, none of which reads them."""
    few = payer_with(market, 60)
    many = payer_with(market, 120, number="6068100016", name="다솜정밀")
    assert moves(few) == moves(many)


def test_a_look_asks_the_same_number_of_questions_whatever_runs(market: SmallMarket) -> None:
    """One instance or sixty."""
    asked = []
    for running, number in ((1, "1168100018"), (60, "6068100016")):
        renter = payer_with(market, running, number=number, name=number)
        with CaptureQueriesContext(connection) as found:
            watch_tenant(actor=STAFF, tenant_id=renter.tenant.id, now=LATER)
        asked.append(len(found))
    assert asked[0] == asked[1]


def test_what_a_silence_hid_is_looked_at_once_it_is_decided(market: SmallMarket) -> None:
    """While the cluster is silent nothing is spent that is known of, and no line is ahead; the pods return, and it is again."""
    renter = add_renter()
    prepay(renter, 110_000)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    ends = NOW + timedelta(seconds=100_000 * 3_600 // 10_800 + 1)
    silent, back = NOW + 20 * MINUTE, NOW + 30 * MINUTE
    with as_actor(STAFF):
        record_seen(cluster_id=market.cluster.id, version="", now=silent)
        record_silences(now=silent + MINUTE, silence=timedelta(seconds=30))
    apply_outages(now=silent + MINUTE)
    assert account_of(renter).next_crossing_at is None
    with as_actor(STAFF):
        record_answer(cluster_id=market.cluster.id, now=back, silence=timedelta(seconds=30))
        run = SeenRun(tenant_id=renter.tenant.id, instance_id=instance.id, attempt=1, rank=0, running_since=None)
        record_seen_again(runs=[run], seen_at=back + MINUTE)
        record_relisted(cluster_id=market.cluster.id, at=back + MINUTE)
    apply_outages(now=back + MINUTE)
    account = account_of(renter)
    assert account.next_crossing_at == ends - HOUR
    assert account.stage == "low"


def apply_outages(*, now: datetime) -> None:
    """What the hint of an outage does."""
    with as_actor(STAFF):
        outages = list_unapplied()
    for outage_id in outages:
        apply_outage(actor=STAFF, outage_id=outage_id, now=now)


def test_a_rise_that_is_agreed_to_is_looked_at_at_once(market: SmallMarket) -> None:
    """₩12,960,000 last fifty days at ₩10,800 an hour. From the eighth day on it is ₩21,600: the end comes earlier."""
    renter = add_renter()
    for _half in range(2):
        prepay(renter, 7_128_000)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    rises = NOW + timedelta(days=8)
    with as_actor(STAFF):
        version = publish_price(
            actor=STAFF, offer_id=market.offer.id, price_micros_per_device_hour=10_800_000_000, effective_from=rises, now=NOW
        )  # fmt: skip
        (change,) = announce(actor=STAFF, price_version_id=version.id, now=LATER, reason="electricity")
    with as_actor(STAFF):
        # As if a month without another number of days lay ahead: nothing else makes it due.
        CreditAccount.objects.update(next_crossing_at=NOW + timedelta(days=49))
    with as_actor(renter.actor):
        answer_change(actor=renter.actor, change_id=change.id, is_agreed=True, now=LATER)
    with as_actor(STAFF):
        assert list_due_tenants(now=LATER) == [renter.tenant.id]
    watch_due(now=LATER)
    next_crossing = account_of(renter).next_crossing_at
    assert next_crossing is not None
    assert next_crossing <= rises


def test_what_is_agreed_is_looked_at_at_once_and_a_discount_s_cap_is_a_line(market: SmallMarket) -> None:
    """Half off ₩10,800 an hour, at most ₩10,800 in all: after two hours the whole price is spent again."""
    renter = add_renter()
    prepay(renter, 5_500_000)
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    draft = DiscountDraft(
        billing_profile_id=renter.project.billing_profile_id, basis_points=5_000, first_month=date(2026, 11, 1),
        last_month=date(2026, 11, 1), cap_won=10_800,
    )  # fmt: skip
    with as_actor(STAFF):
        grant_discount(actor=STAFF, draft=draft, now=LATER, reason="test")
        assert list_due_tenants(now=LATER) == [renter.tenant.id]
    watch_due(now=LATER)
    assert account_of(renter).next_crossing_at == NOW + 2 * HOUR
    watch_due(now=NOW + 2 * HOUR)
    crossing = account_of(renter).next_crossing_at
    assert crossing is not None
    assert crossing > NOW + 3 * HOUR


def test_idle_accounts_are_settled_with_the_same_questions_for_one_as_for_many(market: SmallMarket) -> None:
    """A day on which nobody used anything."""
    asked = []
    for count, day in ((1, 1), (20, 2)):
        for index in range(count):
            prepay(add_renter(number="6068100016", name=f"기관 {day}-{index}", quota=None), 11_000)
        with CaptureQueriesContext(connection) as found:
            assert settle_due(actor=STAFF, now=NOW + timedelta(days=day)) == 0
        asked.append(len(found))
    assert asked[0] == asked[1]


def test_operators_see_accounts_by_page_with_the_same_questions_for_one_as_for_many(market: SmallMarket) -> None:
    """Fifty a page; who ends soon comes first; a part of a name finds one."""
    first = payer_with(market, 1)
    with as_actor(STAFF), CaptureQueriesContext(connection) as one:
        list_accounts_for_operators(now=LATER)
    others = [
        add_renter(number="6068100016", name=f"기관 {index:02d}", quota=None) for index in range(ACCOUNTS_PER_PAGE)
    ]
    seller = seller_id()
    with as_actor(STAFF):
        CreditAccount.objects.bulk_create(
            CreditAccount(
                tenant_id=other.tenant.id,
                billing_profile_id=other.project.billing_profile_id,
                seller_id=seller,
                opened_at=NOW,
            )
            for other in others
        )
        CreditAccount.objects.filter(tenant_id=first.tenant.id).update(stage="grace")
        with CaptureQueriesContext(connection) as many:
            page = list_accounts_for_operators(now=LATER)
        rest = list_accounts_for_operators(now=LATER, offset=page.next_offset or 0)
        found = list_accounts_for_operators(now=LATER, search="기관 07")
    assert len(one) == len(many) <= 12
    assert (len(page.states), page.next_offset) == (ACCOUNTS_PER_PAGE, ACCOUNTS_PER_PAGE)
    assert page.states[0].account.tenant_id == first.tenant.id
    assert page.states[0].numerator_per_second > 0
    assert (len(rest.states), rest.next_offset) == (1, None)
    assert [state.account.tenant.name for state in found.states] == ["기관 07"]

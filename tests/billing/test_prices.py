"""Publishing prices: what is refused, for whom a price is, what a tenant sees of it."""

from datetime import timedelta
from typing import Any

import pytest

from billing.models import PriceVersion
from billing.prices import PriceDraft, PriceGap, PriceInvalid, end_price, publish
from marketplace.instances.models import InstanceTerm
from marketplace.journeys.quote import Quote, QuoteRequest, WholeServersOnly, quote
from marketplace.journeys.rent import PriceChanged, RentRequest, rent
from marketplace.kernel.actors import as_actor
from tests.market import NOW, PRICE_MICROS, STAFF, Renter, SmallMarket, add_renter, build_market, request_of

pytestmark = pytest.mark.django_db

WON = 1_000_000


def put(market: SmallMarket, **changes: Any) -> PriceVersion:
    """Publish a price for the market's offer, in force at once."""
    draft = PriceDraft(**{"offer_id": market.offer.id, "price_micros": 5_000 * WON, **changes})
    with as_actor(STAFF):
        return publish(actor=STAFF, draft=draft, effective_from=NOW, now=NOW)


def ask(renter: Renter, **changes: Any) -> Quote:
    """A quote for two devices."""
    request = QuoteRequest(**{"project_id": renter.project.id, "devices": 2, **changes})
    with as_actor(renter.actor):
        return quote(actor=renter.actor, request=request, now=NOW)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"price_micros": 0}, "/price"),
        ({"price_micros": -5_400 * WON}, "/price"),
        ({"minimum_won": -1}, "/minimum_charge"),
        ({"held_price_micros": -1}, "/held_price"),
        ({"shape": "tiered"}, "/shape"),
        ({"plan": "monthly"}, "/shape"),
        ({"unit": "gib"}, "/unit"),
        ({"unit_devices": 8}, "/unit_devices"),
        ({"sector": "navy"}, "/sector"),
        ({"minimum_s": 400 * 86_400}, "/minimum_s"),
    ],
)
def test_what_cannot_be_a_price_is_refused_by_name_and_nothing_is_written(
    changes: dict[str, Any], pointer: str
) -> None:
    """The first wrong member."""
    market = build_market()
    with pytest.raises(PriceInvalid) as caught:
        put(market, **changes)
    assert caught.value.pointer == pointer
    with as_actor(STAFF):
        assert PriceVersion.objects.count() == 1


def test_prices_have_neither_gap_nor_overlap_nor_a_past() -> None:
    """A successor begins where its predecessor ends; nothing goes before a published one or before now."""
    market = build_market()
    later = NOW + timedelta(days=7)
    draft = PriceDraft(offer_id=market.offer.id, price_micros=6_000 * WON)
    with as_actor(STAFF):
        second = publish(actor=STAFF, draft=draft, effective_from=later, now=NOW)
        first = PriceVersion.objects.exclude(id=second.id).get()
        assert (first.effective_to, second.effective_to) == (later, None)
        for begins in (NOW - timedelta(seconds=1), later, later - timedelta(days=1)):
            with pytest.raises(PriceInvalid):
                publish(actor=STAFF, draft=draft, effective_from=begins, now=NOW)
        with pytest.raises(PriceGap):
            end_price(actor=STAFF, price_version_id=second.id, at=later + timedelta(days=1), now=NOW, reason="test")
        assert PriceVersion.objects.count() == 2


def test_the_most_particular_price_counts_and_only_its_tenant_sees_it() -> None:
    """Everyone ₩5,400, finance ₩5,000, this bank ₩4,800; row-level security hides the bank's from the other."""
    market = build_market()
    bank, other = add_renter(), add_renter(number="6068100016", name="다솜은행")
    put(market, sector="finance", price_micros=5_000 * WON)
    put(market, tenant_id=bank.tenant.id, price_micros=4_800 * WON)
    assert [ask(one).offers[0].priced.price.price_micros for one in (bank, other)] == [4_800 * WON, 5_000 * WON]
    with as_actor(other.actor):
        assert sorted(PriceVersion.objects.values_list("price_micros", flat=True)) == [5_000 * WON, PRICE_MICROS]


def test_a_quote_shows_every_plan_with_hour_month_estimate_and_vat() -> None:
    """Two devices: ₩10,800 an hour, ₩7,884,000 in 730 hours; ₩6,000,000 fixed a month; ten hours with a minimum of a day."""
    market = build_market()
    renter = add_renter()
    put(market, plan="monthly", shape="monthly", price_micros=3_000_000 * WON)
    put(market, plan="interruptible", price_micros=2_000 * WON, minimum_s=86_400)
    (offer,) = ask(renter, hours=10).offers
    assert [item.price.plan for item in offer.plans] == ["on_demand", "interruptible", "monthly"]
    on_demand, interruptible, monthly = (item.preview for item in offer.plans)
    assert (on_demand.hour.supply_won, on_demand.hour.vat_won, on_demand.hour.total_won) == (10_800, 1_080, 11_880)
    assert (on_demand.month.supply_won, on_demand.is_month_fixed, on_demand.estimate.supply_won) == (
        7_884_000,
        False,
        108_000,
    )
    assert (monthly.month.supply_won, monthly.is_month_fixed) == (6_000_000, True)
    assert interruptible.estimate.supply_won == 2 * 24 * 2_000
    assert offer.price_micros_per_server_hour == 8 * PRICE_MICROS


def test_a_price_per_server_sells_whole_servers_and_the_snapshot_says_so() -> None:
    """₩40,000 for eight: two devices are refused, eight are rented at ₩5,000 each."""
    market = build_market()
    renter = add_renter()
    put(market, unit="server", unit_devices=8, price_micros=40_000 * WON, held_price_micros=4_000 * WON)
    with pytest.raises(WholeServersOnly):
        ask(renter)
    with as_actor(renter.actor):
        instance = rent(actor=renter.actor, request=request_of(renter, devices=8), now=NOW)
        term = InstanceTerm.objects.get(instance=instance)
    assert term.price_micros_per_device_hour == 5_000 * WON
    assert term.price == {
        "plan": "on_demand", "shape": "hourly", "unit": "server", "unit_devices": 8, "price_micros": 40_000 * WON,
        "held_price_micros": 4_000 * WON, "minimum_s": 0, "minimum_won": 0,
    }  # fmt: skip


def test_a_quoted_price_that_was_replaced_is_refused_when_renting() -> None:
    """The customer agrees to what was shown, not to what came after."""
    market = build_market()
    renter = add_renter()
    shown = ask(renter).offers[0].priced.price_version_id
    put(market, price_micros=6_000 * WON)
    wanted = request_of(renter)
    request = RentRequest(project_id=wanted.project_id, spec=wanted.spec, price_version_ids=[shown])
    with pytest.raises(PriceChanged), as_actor(renter.actor):
        rent(actor=renter.actor, request=request, now=NOW)

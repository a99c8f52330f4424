"""What is remembered of the market is what its tables say, from the statement that changes them on."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.prices import Buyer, read_price_list
from marketplace.inventory.models import Accelerator, Offer, OfferStatus
from marketplace.journeys.market_view import MARKET, read_customer, read_market_facts
from marketplace.kernel.actors import as_actor, savepoint
from marketplace.kernel.revisions import read_revision
from marketplace.sovereignty.models import DataClassRule
from tests.market import NOW, STAFF, add_renter, build_market, certify

pytestmark = pytest.mark.django_db


def test_every_table_of_the_market_gives_it_another_revision() -> None:
    """Whoever lets `MarketFacts` read another table gives that table its trigger."""
    build_market()
    renter = add_renter()
    renter.project.tenant = renter.tenant  # read before, as the access check does
    buyer = Buyer(tenant_id=renter.tenant.id, sector=renter.tenant.sector)
    with as_actor(STAFF), CaptureQueriesContext(connection) as read:
        read_customer(facts=read_market_facts(), project=renter.project)
        read_price_list(buyer=buyer)
    tables = set(re.findall(r'(?:FROM|JOIN) "(\w+)"', " ".join(query["sql"] for query in read.captured_queries)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'new_revision'")
        revised = {row[0] for row in cursor.fetchall()}
    assert {"inventory_offer", "inventory_customerassessment", "billing_priceversion"} <= tables
    assert tables <= revised


def test_what_nobody_changed_is_read_once() -> None:
    """Then one statement says that nothing changed."""
    build_market()
    with as_actor(STAFF):
        first = read_market_facts()
        with CaptureQueriesContext(connection) as again:
            assert read_market_facts() is first
    assert len(again) == 1


def test_a_change_is_seen_by_the_next_reader() -> None:
    """An offer retired, a certificate added, a rule ended: each is there at once."""
    market = build_market(is_certified=False)
    with as_actor(STAFF):
        assert [offer.code for offer in read_market_facts().offers] == ["pangyo-h200"]
        certify(market.site, "isms-p")
        assert [item.scheme for item in read_market_facts().sites[market.site.id].certificates] == ["isms-p"]
        DataClassRule.objects.update(effective_to=NOW + timedelta(days=1))
        assert {rule.effective_to for rule in read_market_facts().rules} == {NOW + timedelta(days=1)}
        Offer.objects.update(status=OfferStatus.RETIRED)
        assert read_market_facts().offers == ()


def test_what_was_rolled_back_is_not_remembered() -> None:
    """A revision that no commit made never comes again."""
    build_market()
    with as_actor(STAFF):
        before = read_revision(topic=MARKET)
        with pytest.raises(ZeroDivisionError), savepoint():
            Accelerator.objects.filter(code="nvidia-h200").update(model="H999")
            assert "H999" in {offer.accelerator.model for offer in read_market_facts().offers}
            raise ZeroDivisionError
        assert read_revision(topic=MARKET) == before
        assert "H999" not in {offer.accelerator.model for offer in read_market_facts().offers}

"""Availability in honest bands: the REST catalogue and quotes, with what other tenants have, versions and reservations."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.prices import PriceDraft, publish
from marketplace.instances.models import Allocation, Instance
from marketplace.inventory.models import Accelerator, Node, NodeSharing, Offer, OfferAccess, Outlook
from marketplace.inventory.operations import keep_outlook, set_offer_access
from marketplace.inventory.quarantine import quarantine_node, set_cordon
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.outlook import look_ahead, read_outlook
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.sovereignty.operations import publish_rule
from tests.api.caller import Caller
from tests.market import NOW, STAFF, SmallMarket, add_stock, rent_as, run_instance

pytestmark = pytest.mark.django_db


def offers(caller: Caller, **query: Any) -> list[dict[str, Any]]:
    """The catalogue for the caller's project."""
    given = {"project": caller.project, **query}
    status, answer, _response = caller.call(
        "GET", "/offers?" + "&".join(f"{name}={value}" for name, value in given.items())
    )
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["data"]
    return found


def band(caller: Caller, **query: Any) -> tuple[str, str | None]:
    """Of the one offer, in the catalogue and in a quote, which never differ."""
    (offer,) = offers(caller, **query)
    versions = {name: query[name] for name in ("driver", "firmware", "runtime") if name in query}
    body = {
        "project": caller.project, "devices": query.get("devices", 1), "nodes": query.get("nodes", 1),
        "versions": {name: text.replace("%3C", "<").replace("%3E", ">").replace("%2C", ",") for name, text in versions.items()},
    }  # fmt: skip
    status, answer, _response = caller.call("POST", "/quotes", body)
    if status == 200:
        (quoted,) = answer["offers"]
        for member in ("availability", "wait_reason", "wait_message", "start_estimate"):
            assert quoted[member] == offer[member]
    return offer["availability"], offer["wait_reason"]


def test_without_a_project_offers_are_plain(caller: Caller) -> None:
    _status, answer, _response = caller.call("GET", "/offers")
    (offer,) = answer["data"]
    assert "availability" not in offer
    assert offer["access"] == "open"
    status, problem, _response = caller.call("GET", "/offers?devices=2")
    assert (status, problem["code"]) == (422, "validation_failed")


def test_now_then_queue_then_none(caller: Caller) -> None:
    assert band(caller, devices=8) == ("now", None)
    run_instance(caller.renter, started_at=NOW, ended_at=None, devices=3)
    assert band(caller, devices=5) == ("now", None)
    assert band(caller, devices=6) == ("queue", "WaitingForCapacity")
    (offer,) = offers(caller, devices=6)
    assert offer["wait_message"] == "No permitted node has 6 free devices now; the most on one node is 5."
    (offer,) = offers(caller, devices=9)
    assert (offer["availability"], offer["wait_reason"]) == ("none", "RequestTooLarge")
    assert offer["wait_message"] == "One instance can have at most 8 devices of this offer."
    assert offer["price_per_device_hour"] == "5400"


@pytest.mark.parametrize("query", ["devices=0", "devices=65", "devices=two", "nodes=-1", "colour=red"])
def test_wrong_parameters_are_refused_by_name(caller: Caller, query: str) -> None:
    status, problem, _response = caller.call("GET", f"/offers?project={caller.project}&{query}")
    assert status == 422
    assert problem["errors"][0]["pointer"] == f"?{query.partition('=')[0]}"


def test_another_tenants_project_does_not_exist(caller: Caller, stranger: Caller) -> None:
    status, problem, _response = caller.call("GET", f"/offers?project={stranger.project}")
    assert (status, problem["code"]) == (404, "not_found")


def test_the_band_follows_the_operators_acts_at_once(caller: Caller) -> None:
    with as_actor(STAFF):
        node = Node.objects.get()
        set_cordon(actor=STAFF, node_id=node.id, is_cordoned=True, reason="x", now=NOW)
    assert band(caller) == ("queue", "SiteUnderMaintenance")
    with as_actor(STAFF):
        set_cordon(actor=STAFF, node_id=node.id, is_cordoned=False, reason="x", now=NOW)
        quarantine_node(actor=STAFF, node_id=node.id, reason="x", now=NOW)
    assert band(caller) == ("queue", "StockQuarantined")


def test_a_refused_offer_says_why_in_words(small_market: SmallMarket, caller: Caller) -> None:
    with as_actor(STAFF):
        small_market.site.certifications.update(revoked_at=NOW - timedelta(seconds=1))
    (offer,) = offers(caller)
    assert (offer["availability"], offer["permission"]) == ("none", "refused")
    assert {reason["rule"] for reason in offer["refusals"]} == {"certificate_revoked"}


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        ("580", ("now", None)),
        ("%3E=580.65%2C%3C590", ("now", None)),
        ("==580.95.05", ("now", None)),
        ("%3E=590", ("none", "VersionNotInstalled")),
    ],
)
def test_versions_narrow_the_nodes(caller: Caller, driver: str, expected: tuple[str, str | None]) -> None:
    assert band(caller, driver=driver) == expected


@pytest.mark.parametrize(
    ("versions", "pointer"),
    [
        ({"driver": ">>1"}, "/versions/driver"),
        ({"driver": "1,2,3,4,5"}, "/versions/driver"),
        ({"firmware": "x" * 121}, "/versions/firmware"),
        ({"kernel": "6"}, "/versions/kernel"),
    ],
)
def test_a_range_that_cannot_be_read_is_named(caller: Caller, versions: dict[str, str], pointer: str) -> None:
    for path, body in (
        ("/quotes", {"project": caller.project, "devices": 1, "versions": versions}),
        ("/instances", caller.body(versions=versions)),
    ):
        status, problem, _response = caller.call("POST", path, body)
        assert status == 422, problem
        assert problem["errors"][0]["pointer"].startswith("/versions")
        if len(next(iter(versions.values()))) <= 120:
            assert problem["errors"][0]["pointer"] == pointer
    with as_actor(STAFF):
        assert not Instance.objects.exists()


def test_a_rent_with_versions_is_placed_only_there(small_market: SmallMarket, caller: Caller) -> None:
    add_stock(small_market, name="node-2", driver="590.10")
    status, rented, _response = caller.call(
        "POST", "/instances", caller.body(versions={"driver": ">=590", "runtime": ""})
    )
    assert status == 201
    assert rented["versions"] == {"driver": ">=590"}
    admit_pass(holder="test", now=NOW)
    with as_actor(STAFF):
        assert Allocation.objects.get().stock.node.name == "node-2"
    _status, waiting, _response = caller.call("POST", "/instances", caller.body(versions={"driver": "==1"}))
    admit_pass(holder="test", now=NOW)
    _status, diagnosis, _response = caller.call("GET", f"/instances/{waiting['id']}/diagnosis")
    assert "VersionNotInstalled" in {reason["code"] for reason in diagnosis["reasons"]}


def test_a_node_with_one_tenant_at_a_time_is_not_now_for_another(caller: Caller, stranger: Caller) -> None:
    with as_actor(STAFF):
        Accelerator.objects.filter(code="nvidia-h200").update(node_sharing=NodeSharing.ONE_TENANT)
    run_instance(stranger.renter, started_at=NOW, ended_at=None, devices=1)
    assert band(caller)[0] == "queue"
    assert band(stranger) == ("now", None)


def test_nodes_of_ones_own_and_of_others(caller: Caller, stranger: Caller) -> None:
    """The bank's data asks for a node alone; the stranger's does not. Which node is known to be taken, whose it is is not told."""
    with as_actor(STAFF):
        publish_rule(
            actor=STAFF, data_class="personal-credit", requirements={"needs_dedicated_node": True}, effective_from=NOW,
            source="", now=NOW,
        )  # fmt: skip
    assert band(caller) == ("now", None)
    run_instance(caller.renter, started_at=NOW, ended_at=None, devices=1)
    assert band(stranger) == ("queue", "WaitingForCapacity")
    assert band(caller) == ("now", None)
    with as_actor(stranger.renter.actor):
        assert not Allocation.objects.exists()


def test_a_shared_node_is_not_now_for_who_needs_it_alone(caller: Caller, stranger: Caller) -> None:
    run_instance(stranger.renter, started_at=NOW, ended_at=None, devices=1)
    assert band(caller) == ("now", None)
    with as_actor(STAFF):
        publish_rule(
            actor=STAFF, data_class="personal-credit", requirements={"needs_dedicated_node": True}, effective_from=NOW,
            source="", now=NOW,
        )  # fmt: skip
    assert band(caller) == ("queue", "WaitingForCapacity")


def test_by_reservation_only_those_with_a_price_of_their_own_rent(
    small_market: SmallMarket, caller: Caller, stranger: Caller
) -> None:
    with as_actor(STAFF):
        set_offer_access(
            actor=STAFF, offer_id=small_market.offer.id, access=OfferAccess.RESERVATION, reason="국가 과제", now=NOW
        )
    assert band(caller) == ("reservation", None)
    (offer,) = offers(caller)
    assert offer["wait_message"] == "This offer is sold by reservation only."
    status, problem, _response = caller.call("POST", "/instances", caller.body())
    assert (status, problem["code"]) == (409, "by_reservation_only")
    with as_actor(STAFF):
        assert not Instance.objects.exists()
        draft = PriceDraft(
            offer_id=small_market.offer.id, price_micros=3_000_000_000, tenant_id=caller.renter.tenant.id
        )
        publish(actor=STAFF, draft=draft, effective_from=NOW, now=NOW)
    assert band(caller) == ("now", None)
    assert band(stranger) == ("reservation", None)
    assert caller.call("POST", "/instances", caller.body())[0] == 201


def test_the_outlook_gives_a_queue_its_start_and_grows_old(caller: Caller, stranger: Caller, time_machine: Any) -> None:
    """Eight devices of a stranger for two hours: half of them are wanted."""
    run_instance(stranger.renter, started_at=NOW, ended_at=None, devices=8, max_duration_s=7_200)
    (before,) = offers(caller, devices=4)
    assert (before["availability"], before["start_estimate"]) == ("queue", None)
    assert look_ahead(now=NOW) == 4
    (offer,) = offers(caller, devices=4)
    assert offer["start_estimate"] == {"p50": "2026-11-24T05:00:00Z", "p90": "2026-11-24T05:00:00Z"}
    assert band(caller, devices=4) == ("queue", "WaitingForCapacity")
    (gang,) = offers(caller, devices=4, nodes=2)
    assert gang["start_estimate"] is None
    with as_actor(STAFF):
        assert not keep_outlook(body={}, now=NOW - timedelta(seconds=1))
        assert Outlook.objects.count() == 1
    with as_actor(caller.renter.actor):
        assert read_outlook(now=NOW + timedelta(seconds=31)).computed_at is None


def test_what_is_kept_for_one_that_waits_is_not_now(
    small_market: SmallMarket, caller: Caller, stranger: Caller
) -> None:
    """Two devices are free, but a request for eight has them reserved for when the others end."""
    run_instance(stranger.renter, started_at=NOW, ended_at=None, devices=6, max_duration_s=3_600)
    assert band(caller, devices=2) == ("now", None)
    rent_as(stranger.renter, devices=8)
    admit_pass(holder="test", now=NOW)
    look_ahead(now=NOW)
    assert band(caller, devices=2) == ("queue", "ReservedForLargerRequest")


def test_the_catalogue_takes_as_many_queries_for_three_offers_as_for_one(
    small_market: SmallMarket, caller: Caller
) -> None:
    counts = []
    for count in (1, 3):
        with as_actor(STAFF):
            for number in range(1, count):
                original = Offer.objects.get(code="pangyo-h200")
                original.pk, original.code = None, f"more-{number}"
                original._state.adding = True
                original.id = ids.new_id()
                original.save(force_insert=True)
                publish(
                    actor=STAFF,
                    draft=PriceDraft(offer_id=original.id, price_micros=1_000_000),
                    effective_from=NOW,
                    now=NOW,
                )
        with CaptureQueriesContext(connection) as captured:
            assert len(offers(caller)) == count
        counts.append(len(captured))
    assert counts[0] == counts[1]

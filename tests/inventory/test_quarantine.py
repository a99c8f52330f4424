"""Out of sale at once, with the reason, and back: by hand and by itself."""

from datetime import timedelta

import pytest

from marketplace.inventory.health import Cause
from marketplace.inventory.judging import judge_nodes
from marketplace.inventory.models import Component, Node, NodeIncident, NodeStock, Quarantine
from marketplace.inventory.quarantine import (
    QuarantineInvalid,
    quarantine_devices,
    quarantine_node,
    quarantine_version,
    release_quarantine,
    set_cordon,
)
from marketplace.inventory.stock import record_failed_start
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.admit.deciding import decide
from marketplace.journeys.admit.reading import read_queue
from marketplace.journeys.admit.writing import place
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry, Notice
from tests.market import NOW, STAFF, SmallMarket, add_renter, add_stock, build_market, rent_as, see_clusters

pytestmark = pytest.mark.django_db


def stock_row(name: str = "node-1") -> NodeStock:
    """The stock of a node as it stands."""
    with as_actor(STAFF):
        return NodeStock.objects.select_related("node").get(node__name=name)


def fail_starts(name: str, *, count: int) -> None:
    """So many failed starts on a node, just now."""
    with as_actor(STAFF):
        node = Node.objects.get(name=name)
        for _ in range(count):
            record_failed_start(node_id=node.id, message="UnexpectedAdmissionError", now=NOW)


def judge() -> None:
    """One pass of the sweep."""
    with as_actor(STAFF):
        judge_nodes(actor=STAFF, now=NOW)


def test_a_quarantined_node_takes_nothing_says_why_and_is_sold_again_on_release() -> None:
    build_market()
    renter = add_renter()
    with as_actor(STAFF):
        quarantine = quarantine_node(
            actor=STAFF, node_id=stock_row().node_id, reason="ECC errors on two cards", now=NOW
        )
    instance = rent_as(renter, devices=1)
    assert admit_pass(holder="test", now=NOW).placed == 0
    with as_actor(STAFF):
        instance.refresh_from_db()
        assert instance.conditions["CapacityAllocated"]["reason"] == "StockQuarantined"
        assert stock_row().free_devices == 0
        release_quarantine(actor=STAFF, quarantine_id=quarantine.id, reason="cards replaced", now=NOW)
    assert admit_pass(holder="test", now=NOW).placed == 1
    with as_actor(STAFF):
        entries = AuditEntry.objects.filter(object_type="qua").order_by("id").values_list("action", "reason")
        assert list(entries) == [
            ("quarantine.started", "ECC errors on two cards"),
            ("quarantine.released", "cards replaced"),
        ]


def test_a_quarantined_device_is_counted_once_also_when_its_plugin_reports_it() -> None:
    market = build_market()
    with as_actor(STAFF):
        quarantine_devices(actor=STAFF, stock_id=stock_row().id, devices=1, reason="XID 79", now=NOW)
    assert stock_row().free_devices == 7
    shrink(market, allocatable=7)
    assert stock_row().free_devices == 7
    shrink(market, allocatable=6)
    assert stock_row().free_devices == 6


def shrink(market: SmallMarket, *, allocatable: int) -> None:
    """The plugin reports fewer usable devices."""
    add_stock(market, devices=8, allocatable=allocatable)


@pytest.mark.parametrize("devices", [0, 9])
def test_more_devices_than_there_are_cannot_be_quarantined(devices: int) -> None:
    build_market()
    with pytest.raises(QuarantineInvalid), as_actor(STAFF):
        quarantine_devices(actor=STAFF, stock_id=stock_row().id, devices=devices, reason="x", now=NOW)
    with as_actor(STAFF):
        assert not Quarantine.objects.exists()


def test_a_version_in_quarantine_also_takes_nodes_that_get_it_later() -> None:
    market = build_market()
    with as_actor(STAFF):
        quarantine = quarantine_version(
            actor=STAFF, vendor="NVIDIA", component=Component.DRIVER, version="580.95.05", reason="CDI breaks", now=NOW
        )
        with pytest.raises(QuarantineInvalid):
            quarantine_version(
                actor=STAFF, vendor="NVIDIA", component=Component.DRIVER, version="1.0", reason="x", now=NOW
            )
    add_stock(market, name="node-2")
    add_stock(market, name="node-3", driver="575.57.08")
    assert [stock_row(f"node-{n}").is_quarantined for n in (1, 2, 3)] == [True, True, False]
    add_stock(market, name="node-2", driver="575.57.08")
    assert stock_row("node-2").is_quarantined is False
    with as_actor(STAFF):
        release_quarantine(actor=STAFF, quarantine_id=quarantine.id, reason="patched", now=NOW)
    assert stock_row("node-1").free_devices == 8


def test_an_admitter_with_an_old_view_gets_nothing_of_a_quarantined_node() -> None:
    """The counters have the last word: the view was read before the quarantine."""
    build_market()
    rent_as(add_renter(), devices=1)
    with as_actor(STAFF):
        queue = read_queue(now=NOW)
    assert queue is not None
    decided = decide(queue, now=NOW)
    assert [len(item.looked.placements) for item in decided] == [1]
    with as_actor(STAFF):
        quarantine_node(actor=STAFF, node_id=stock_row().node_id, reason="meanwhile", now=NOW)
        assert place(decided, facts=queue.facts, now=NOW) == 0
    assert stock_row().allocated_devices == 0


def test_three_failed_starts_quarantine_the_node_and_a_release_is_respected() -> None:
    market = build_market()
    for number in (2, 3, 4, 5):
        add_stock(market, name=f"node-{number}")
    fail_starts("node-1", count=2)
    judge()
    with as_actor(STAFF):
        assert Node.objects.get(name="node-1").health == "warning"
        assert not Quarantine.objects.exists()
    fail_starts("node-1", count=1)
    judge()
    judge()
    with as_actor(STAFF):
        node = Node.objects.get(name="node-1")
        assert (node.health, node.health_causes) == (
            "failed", [{"cause": "failed_starts", "level": "failed", "count": 3}],
        )  # fmt: skip
        quarantine = Quarantine.objects.get()
        assert (quarantine.node_id, quarantine.cause, quarantine.started_by) == (node.id, "failed_starts", "test")
        assert Notice.objects.filter(code="node.failed", resolved_at__isnull=True).count() == 1
        release_quarantine(actor=STAFF, quarantine_id=quarantine.id, reason="rebooted", now=NOW + timedelta(seconds=1))
    judge()
    with as_actor(STAFF):
        assert Node.objects.get(name="node-1").health == "healthy"
        assert Quarantine.objects.filter(released_at__isnull=True).count() == 0
        assert not Notice.objects.filter(code="node.failed", resolved_at__isnull=True).exists()


def test_when_many_nodes_fail_at_once_the_first_quarter_goes_and_a_person_is_called() -> None:
    market = build_market()
    for number in range(2, 9):
        add_stock(market, name=f"node-{number}")
    for number in range(1, 6):
        fail_starts(f"node-{number}", count=3)
    judge()
    with as_actor(STAFF):
        assert Quarantine.objects.filter(kind="node").count() == 2
        assert Notice.objects.get(code="quarantine.halted").facts == {"cluster": "pangyo-1", "count": 2}


def test_a_version_on_which_half_of_the_nodes_fail_goes_too_and_the_other_version_is_sold_on() -> None:
    market = build_market()
    for number in range(2, 9):
        add_stock(market, name=f"node-{number}", driver="580.95.05" if number < 5 else "590.1.0")
    for number in (5, 6):
        fail_starts(f"node-{number}", count=3)
    judge()
    with as_actor(STAFF):
        version = Quarantine.objects.get(kind="version")
        assert (version.vendor, version.component, version.version) == ("NVIDIA", "driver", "590.1.0")
        assert (version.cause, version.facts) == (Cause.VERSION_FAILS, {"nodes": 4, "failing": 2})
    assert [stock_row(f"node-{n}").is_quarantined for n in range(1, 9)] == [False] * 4 + [True] * 4


def test_devices_that_stay_missing_stay_out_until_they_have_been_back_for_a_while() -> None:
    market = build_market()
    shrink(market, allocatable=7)
    judge()
    with as_actor(STAFF):
        assert not Quarantine.objects.exists()
        judge_nodes(actor=STAFF, now=NOW + timedelta(minutes=5))
        assert Quarantine.objects.get().devices == 1
    add_stock(market, now=NOW + timedelta(minutes=6))
    assert stock_row().free_devices == 7
    with as_actor(STAFF):
        judge_nodes(actor=STAFF, now=NOW + timedelta(minutes=7))
        assert Quarantine.objects.get().released_at is None
        judge_nodes(actor=STAFF, now=NOW + timedelta(minutes=11))
        assert Quarantine.objects.get().released_at is not None
        kinds = NodeIncident.objects.order_by("occurred_at", "id").values_list("kind", flat=True)
        assert list(kinds) == ["devices_short", "devices_whole"]
    assert stock_row().free_devices == 8


def test_a_cordon_keeps_new_instances_off_and_is_lifted() -> None:
    build_market()
    renter = add_renter()
    node_id = stock_row().node_id
    with as_actor(STAFF):
        set_cordon(actor=STAFF, node_id=node_id, is_cordoned=True, reason="cabling", now=NOW)
        set_cordon(actor=STAFF, node_id=node_id, is_cordoned=True, reason="cabling", now=NOW)
        assert AuditEntry.objects.filter(action="node.cordoned").count() == 1
    instance = rent_as(renter, devices=1)
    assert admit_pass(holder="test", now=NOW).placed == 0
    with as_actor(STAFF):
        instance.refresh_from_db()
        assert instance.conditions["CapacityAllocated"]["reason"] == "SiteUnderMaintenance"
        set_cordon(actor=STAFF, node_id=node_id, is_cordoned=False, reason="done", now=NOW)
    see_clusters(now=NOW)
    assert admit_pass(holder="test", now=NOW).placed == 1

"""Capacity in the console: numbers that add up, filters, pages, one node with everything, and acts that say what they will do."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from marketplace.instances.models import Instance
from marketplace.inventory.capacity import count_devices
from marketplace.inventory.models import Node, NodeStock, Quarantine
from marketplace.inventory.quarantine import quarantine_node
from marketplace.inventory.stock import record_failed_start
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry, Notice
from tests.market import NOW, STAFF, SmallMarket, add_renter, add_stock, build_market, run_instance

NUMBERS = st.integers(min_value=0, max_value=16)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.booleans(), st.booleans())
def test_each_device_is_counted_once(
    capacity: int,
    allocatable: int,
    foreign: int,
    allocated: int,
    quarantined: int,
    is_quarantined: bool,
    is_closed: bool,
) -> None:
    """The parts are the whole; free is what the model calls free; nothing is negative."""
    counts = count_devices(
        capacity=capacity, allocatable=min(allocatable, capacity), foreign=foreign, allocated=allocated,
        quarantined=quarantined, is_quarantined=is_quarantined, is_closed=is_closed,
    )  # fmt: skip
    assert min(counts) >= 0
    assert counts.capacity == max(capacity, allocated + foreign)
    stock = NodeStock(
        capacity_devices=capacity, allocatable_devices=min(allocatable, capacity), foreign_devices=foreign,
        allocated_devices=allocated, quarantined_devices=quarantined, is_quarantined=is_quarantined,
    )  # fmt: skip
    assert counts.free + counts.closed == stock.free_devices
    assert 0 in (counts.free, counts.closed)


@pytest.fixture
def market(console: Client) -> SmallMarket:
    """Three nodes of eight: two devices of the first rented, one of the second foreign and one not usable."""
    found = build_market()
    add_stock(found, name="node-2", foreign=1, allocatable=7)
    add_stock(found, name="node-3", driver="580.105.08")
    run_instance(add_renter(), started_at=NOW, ended_at=None)
    return found


def get_node(name: str) -> Node:
    """A node by name."""
    with as_actor(STAFF):
        return Node.objects.get(name=name)


def url_of(name: str, act: str = "") -> str:
    """A node's page, or an act on it."""
    public = ids.format_id(prefix="nod", value=get_node(name).id)
    return f"/pages/capacity/nodes/{public}{f'/{act}' if act else ''}"


def running_node() -> str:
    """Where the bank's instance is."""
    with as_actor(STAFF):
        return Instance.objects.get().allocations.get().stock.node.name


@pytest.mark.django_db
def test_the_grid_says_how_much_is_free_of_what_and_why_not_the_rest(console: Client, market: SmallMarket) -> None:
    text = console.get("/pages/capacity").content.decode()
    assert "20 of 24 free" in text
    for part in ("Rented out 2", "Used by others 1", "Not usable 1"):
        assert part in text
    with as_actor(STAFF):
        quarantine_node(actor=STAFF, node_id=get_node("node-3").id, reason="noise", now=NOW)
    text = console.get("/pages/capacity").content.decode()
    assert "12 of 24 free" in text
    assert "In quarantine 8" in text
    only = console.get("/pages/capacity?state=quarantined").content.decode()
    assert "node-3" in only
    assert ">node-2<" not in only
    assert "No node matches." in console.get("/pages/capacity?name=nothing").content.decode()


@pytest.mark.django_db
def test_a_silent_cluster_shows_and_has_nothing_free(console: Client, market: SmallMarket, time_machine: Any) -> None:
    time_machine.move_to(NOW + timedelta(hours=1), tick=False)
    text = console.get("/pages/capacity").content.decode()
    assert "0 of 24 free" in text
    assert "Silent since" in text
    assert "Not placed on 20" in text


@pytest.mark.django_db
def test_an_empty_platform_says_what_will_come(console: Client) -> None:
    assert "No node with a known accelerator yet." in console.get("/pages/capacity").content.decode()


@pytest.mark.django_db
def test_nodes_come_in_pages_under_the_same_number_of_queries(console: Client, market: SmallMarket) -> None:
    counts, text = [], ""
    for count in (3, 60):
        for number in range(count):
            add_stock(market, name=f"more-{number:02d}")
        with CaptureQueriesContext(connection) as captured:
            text = console.get("/pages/capacity?name=more").content.decode()
        counts.append(len(captured))
    assert counts[0] == counts[1]
    assert "Nodes 1 to 50 of 60" in text
    assert "Nodes 51 to 60 of 60" in console.get("/pages/capacity?name=more&offset=50").content.decode()


@pytest.mark.django_db
def test_a_node_shows_its_devices_tenants_versions_and_failed_starts(console: Client, market: SmallMarket) -> None:
    name = running_node()
    with as_actor(STAFF):
        record_failed_start(node_id=get_node(name).id, message="no such image layer", now=NOW)
    with CaptureQueriesContext(connection) as captured:
        text = console.get(url_of(name)).content.decode()
    assert len(captured) < 40
    for part in ("4 of 8 free", "가온은행", "train", "580.95.05", "A start failed: no such image layer"):
        assert part in text
    assert console.get("/pages/capacity/nodes/nod_00000000000000000000000000").status_code == 404


@pytest.mark.django_db
def test_a_quarantine_is_announced_needs_a_reason_and_can_be_released(console: Client, market: SmallMarket) -> None:
    name = running_node()
    page = console.get(url_of(name, "quarantine")).content.decode()
    assert f"Nothing new is placed on {name}; 4 free devices leave the market." in page
    assert "What runs there goes on: 1 instances of 1 organizations." in page
    refused = console.post(url_of(name, "quarantine"), {"reason": " "})
    assert refused.status_code == 422
    with as_actor(STAFF):
        assert not Quarantine.objects.exists()
    answer = console.post(url_of(name, "quarantine"), {"reason": "팬 소음"})
    assert answer.headers["Location"] == url_of(name)
    with as_actor(STAFF):
        row = Quarantine.objects.get()
        assert (row.kind, row.reason, row.started_by) == ("node", "팬 소음", "operator@ondol.example")
        assert AuditEntry.objects.get(object_id=row.id).reason == "팬 소음"
        assert NodeStock.objects.get(node=get_node(name)).is_quarantined
    listed = console.get("/pages/quarantines").content.decode()
    assert "팬 소음" in listed
    release = f"/pages/quarantines/{ids.format_id(prefix='qua', value=row.id)}/release"
    assert f"Release {name}" in console.get(release).content.decode()
    assert console.post(release, {"reason": "교체함"}).status_code == 302
    assert console.post(release, {"reason": "again"}).status_code == 404
    with as_actor(STAFF):
        row.refresh_from_db()
        assert row.release_reason == "교체함"
        assert not NodeStock.objects.get(node=get_node(name)).is_quarantined


@pytest.mark.django_db
@pytest.mark.parametrize("devices", ["0", "9", "two", ""])
def test_devices_that_there_are_not_are_refused_and_the_form_keeps_what_was_typed(
    console: Client, market: SmallMarket, devices: str
) -> None:
    with as_actor(STAFF):
        stock = NodeStock.objects.get(node=get_node("node-3"))
    url = f"/pages/capacity/stock/{ids.format_id(prefix='stk', value=stock.id)}/quarantine"
    refused = console.post(url, {"devices": devices, "device_ids": "GPU-1f", "reason": "ECC"})
    assert refused.status_code == 422
    assert "Choose from 1 to 8 devices." in refused.content.decode()
    assert "GPU-1f" in refused.content.decode()
    with as_actor(STAFF):
        assert not Quarantine.objects.exists()
    assert console.post(url, {"devices": "2", "device_ids": "GPU-1f\nGPU-2a", "reason": "ECC"}).status_code == 302
    with as_actor(STAFF):
        assert Quarantine.objects.get().device_ids == ["GPU-1f", "GPU-2a"]


@pytest.mark.django_db
def test_a_version_leaves_the_market_everywhere_after_its_page_said_where(console: Client, market: SmallMarket) -> None:
    listed = console.get("/pages/versions").content.decode()
    assert "580.105.08" in listed
    url = "/pages/versions/quarantine?vendor=NVIDIA&component=driver&version=580.105.08"
    assert (
        "Every NVIDIA device of 1 node leaves the market; 8 of them are free now." in console.get(url).content.decode()
    )
    assert console.post(url, {"reason": "XID 79"}).headers["Location"] == "/pages/versions"
    with as_actor(STAFF):
        marked = NodeStock.objects.filter(is_quarantined=True).values_list("node__name", flat=True)
        assert list(marked) == ["node-3"]
    assert console.get("/pages/versions/quarantine?vendor=NVIDIA&component=driver&version=1").status_code == 404


@pytest.mark.django_db
def test_a_drain_names_whom_it_stops_and_then_does(console: Client, market: SmallMarket) -> None:
    name = running_node()
    page = console.get(url_of(name, "drain")).content.decode()
    assert "Their organizations are told: 가온은행." in page
    assert "stopped and queued again" in page
    assert console.post(url_of(name, "drain"), {"reason": "메모리 교체"}).status_code == 302
    with as_actor(STAFF):
        assert Instance.objects.get().state == "stopping"
        assert Notice.objects.get(code="node.drained").facts["names"] == "train"
        assert get_node(name).cordon_reason == "메모리 교체"
    assert "Lift the cordon" in console.get(url_of(name)).content.decode()
    assert console.post(url_of(name, "uncordon"), {"reason": "끝남"}).status_code == 302
    assert get_node(name).cordoned_at is None
    assert console.get(url_of(name, "explode")).status_code == 404

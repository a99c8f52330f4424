"""What happens to instances when their node is drained, quarantined or lost, on a real control plane."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from devstack.kubernetes.nodes import fail_node, restore_node, wait_nodes_ready
from tests.journeys.conftest import SECOND, Entry, Market
from tests.journeys.usage import (
    assert_health_agrees,
    assert_no_overlap,
    list_runs,
    pods_of,
    recording,
    recording_health,
    seconds,
    told,
    wait_for,
)

if TYPE_CHECKING:
    from marketplace.inventory.models import MaintenanceWindow


@pytest.fixture(autouse=True)
def _left_as_found(market: Market) -> Iterator[None]:
    """The next test finds the nodes on sale, whatever this one did before it failed."""
    from marketplace.inventory.models import MaintenanceWindow, Quarantine  # noqa: PLC0415 - needs Django
    from marketplace.inventory.quarantine import release_quarantine  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    yield
    with as_actor(STAFF):
        windows = list(MaintenanceWindow.objects.filter(ended_at__isnull=True, cancelled_at__isnull=True))
        quarantined = list(Quarantine.objects.filter(released_at__isnull=True).values_list("id", flat=True))
    for window in windows:
        finish(window)
    for quarantine_id in quarantined:
        as_operator(release_quarantine, quarantine_id=quarantine_id, reason="test")
    restore_node(market.home, name="h200-home")


def as_operator(act: Callable[..., Any], **arguments: Any) -> Any:
    """Do what the console does, now."""
    from marketplace.kernel import clock  # noqa: PLC0415 - needs Django
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    with as_actor(STAFF):
        return act(actor=STAFF, now=clock.now(), **arguments)


def id_of(node: str) -> UUID:
    """The node's row."""
    from marketplace.inventory.models import Node  # noqa: PLC0415 - needs Django
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    with as_actor(STAFF):
        return Node.objects.values_list("id", flat=True).get(name=node)


def notices_of(entry: Entry) -> list[tuple[str, bool]]:
    """Codes of the tenant's notices and whether they are still open, as its members see them."""
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415 - needs Django
    from marketplace.kernel.models import Notice  # noqa: PLC0415

    with as_actor(entry.renter.actor):
        rows = Notice.objects.order_by("id").values_list("code", "resolved_at")
        return [(code, resolved_at is None) for code, resolved_at in rows]


def plan(node: str, *, drain: str, in_s: float) -> "MaintenanceWindow":
    """Work on one node, soon, for an hour."""
    from marketplace.inventory.maintenance import plan_maintenance  # noqa: PLC0415 - needs Django
    from marketplace.inventory.models import Drain  # noqa: PLC0415
    from marketplace.kernel import clock  # noqa: PLC0415

    starts_at = clock.now() + timedelta(seconds=in_s)
    window: MaintenanceWindow = as_operator(
        plan_maintenance, node_id=id_of(node), starts_at=starts_at, ends_at=starts_at + timedelta(hours=1),
        drain=Drain(drain), reason="firmware",
    )  # fmt: skip
    return window


def finish(window: "MaintenanceWindow") -> datetime:
    """The work is done before its time; when."""
    from marketplace.inventory.maintenance import end_maintenance  # noqa: PLC0415 - needs Django

    ended_at: datetime = as_operator(end_maintenance, window_id=window.id, reason="done").ended_at
    return ended_at


def why(entry: Entry, instance_id: str) -> str:
    """Why it waits."""
    return str(entry.customer.get(f"/instances/{instance_id}/diagnosis")["reasons"][0]["code"])


def end(entry: Entry, *instance_ids: str) -> None:
    """End instances and wait until they are gone."""
    for instance_id in instance_ids:
        entry.customer.act(instance_id, "end")
    for instance_id in instance_ids:
        entry.customer.wait_for_state(instance_id, "ended", timeout_s=60)


def test_maintenance_tells_moves_and_bills_nothing_in_between(two_nodes: Market) -> None:
    """The customer is told before; at the start the run ends, by the planned instant, and begins again on the other node."""
    entry, home = two_nodes.enter(), two_nodes.home
    with recording(home) as usage_of:
        instance_id = entry.rent(devices=8)
        before = entry.customer.wait_for_state(instance_id, "running", timeout_s=30)["place"]["node"]
        time.sleep(1.5)
        window = plan(before, drain="move", in_s=8)
        wait_for(lambda: ("maintenance.move", True) in notices_of(entry))
        assert entry.customer.get(f"/instances/{instance_id}")["state"] == "running"
        wait_for(lambda: entry.customer.get(f"/instances/{instance_id}")["attempt"] == 2, timeout_s=60)
        after = entry.customer.wait_for_state(instance_id, "running", timeout_s=60)["place"]["node"]
        assert {before, after} == {"h200-home", SECOND}
        wait_for(lambda: ("maintenance.move", False) in notices_of(entry))
        waiting = entry.rent(devices=1)
        # The other node is full, which passes sooner than the work.
        wait_for(lambda: why(entry, waiting) == "WaitingForCapacity")
        finish(window)
        assert entry.customer.wait_for_state(waiting, "running", timeout_s=30)["place"]["node"] == before
        end(entry, instance_id, waiting)
        recomputed = wait_for(lambda: found if len(found := usage_of(instance_id)) == 2 else None)
    runs = list_runs(entry.customer, instance_id, recomputed)
    assert len(runs) == 2
    assert runs[0][1] == window.starts_at.replace(microsecond=0)
    assert abs((runs[1][0] - recomputed[1].started_at).total_seconds()) <= 1
    assert_no_overlap(entry.customer, instance_id)


def test_those_that_maintenance_leaves_alone_run_on_unbilled(market: Market) -> None:
    """Same pod, and exactly the seconds of the work are excused."""
    entry = market.enter()
    with recording(market.home) as usage_of:
        instance_id = entry.rent(devices=2)
        entry.customer.wait_for_state(instance_id, "running", timeout_s=30)
        uid = pods_of(market.home, instance_id)[0]["metadata"]["uid"]
        time.sleep(1.5)
        window = plan("h200-home", drain="leave", in_s=1)
        wait_for(lambda: ("maintenance.leave", True) in notices_of(entry))
        waiting = entry.rent(devices=1)
        wait_for(lambda: why(entry, waiting) == "SiteUnderMaintenance")
        time.sleep(max(0, 3 - (time.time() - window.starts_at.timestamp())))
        ended_at = finish(window)
        entry.customer.wait_for_state(waiting, "running", timeout_s=30)
        assert [pod["metadata"]["uid"] for pod in pods_of(market.home, instance_id)] == [uid]
        end(entry, instance_id, waiting)
        recomputed = wait_for(lambda: usage_of(instance_id))
    planned = (ended_at - window.starts_at).total_seconds() * 2
    wait_for(lambda: abs(seconds(entry.customer, instance_id, "excused") - planned) <= 2 * 2, timeout_s=60)
    ran = sum(usage.device_seconds for usage in recomputed)
    assert abs(seconds(entry.customer, instance_id, "metered") - (ran - planned)) <= 2 * 4
    assert_no_overlap(entry.customer, instance_id)


def test_a_quarantined_node_takes_nothing_keeps_what_runs_and_is_sold_again(market: Market) -> None:
    """The reason to wait says so, the running pod is left alone."""
    from marketplace.inventory.quarantine import quarantine_node, release_quarantine  # noqa: PLC0415 - needs Django

    entry = market.enter()
    running = entry.rent(devices=2)
    entry.customer.wait_for_state(running, "running", timeout_s=30)
    uid = pods_of(market.home, running)[0]["metadata"]["uid"]
    quarantine = as_operator(quarantine_node, node_id=id_of("h200-home"), reason="ECC errors")
    waiting = entry.rent(devices=1)
    wait_for(lambda: why(entry, waiting) == "StockQuarantined")
    assert pods_of(market.home, waiting) == []
    assert entry.customer.get(f"/instances/{running}")["state"] == "running"
    as_operator(release_quarantine, quarantine_id=quarantine.id, reason="cards replaced")
    entry.customer.wait_for_state(waiting, "running", timeout_s=30)
    assert [pod["metadata"]["uid"] for pod in pods_of(market.home, running)] == [uid]
    end(entry, running, waiting)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_lost_node_is_excused_and_the_instance_goes_on_elsewhere(two_nodes: Market) -> None:
    """Not ready past the grace: evicted, queued again by itself, placed on the other node; never two pods at once."""
    entry, home = two_nodes.enter(), two_nodes.home
    with recording(home) as usage_of, recording_health(home) as health:
        instance_id = entry.rent(devices=8)
        before = entry.customer.wait_for_state(instance_id, "running", timeout_s=30)["place"]["node"]
        time.sleep(3)
        fail_node(home, name=before)
        wait_for(lambda: entry.customer.get(f"/instances/{instance_id}")["attempt"] == 2, timeout_s=90)
        after = entry.customer.wait_for_state(instance_id, "running", timeout_s=60)["place"]["node"]
        assert {before, after} == {"h200-home", SECOND}
        assert len(pods_of(home, instance_id)) == 1
        reasons = [event["reason"] for event in entry.customer.get(f"/instances/{instance_id}/events")["data"]]
        assert {"pod_lost", "node_lost", "evicted"} & set(reasons), reasons
        time.sleep(2)
        end(entry, instance_id)
        restore_node(home, name=before)
        wait_nodes_ready(home, names=[before])
        recomputed = wait_for(lambda: found if len(found := usage_of(instance_id)) == 2 else None)
        assert_health_agrees(entry.customer, instance_id, recomputed, health)
    assert recomputed[0].ended_at <= recomputed[1].started_at
    assert told(entry.customer, instance_id, "excused")

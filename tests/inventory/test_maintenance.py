"""Planned work: nothing new, what runs is told and moved, nobody pays, and nobody changes what has been."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from marketplace.instances.models import Instance, Transition
from marketplace.instances.operations import record_gone
from marketplace.inventory.maintenance import (
    MaintenanceInvalid,
    MaintenanceOver,
    cancel_maintenance,
    end_maintenance,
    extend_maintenance,
    plan_maintenance,
)
from marketplace.inventory.models import Drain, MaintenanceWindow, Node, Outage
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.maintain import drain_node, maintain
from marketplace.journeys.notice_texts import describe_notice
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry, Notice
from tests.market import (
    NOW,
    STAFF,
    add_renter,
    add_stock,
    build_market,
    rent_as,
    run_instance,
    see_clusters,
)

pytestmark = pytest.mark.django_db
STARTS = NOW + timedelta(hours=2)
ENDS = NOW + timedelta(hours=6)


def plan(**changes: Any) -> MaintenanceWindow:
    """Work on the small market's site in two hours, with changes."""
    with as_actor(STAFF):
        return plan_maintenance(
            actor=STAFF, **{"starts_at": STARTS, "ends_at": ENDS, "reason": "firmware", "now": NOW, **changes}
        )


def node_id(name: str = "node-1") -> Any:
    """A node's id."""
    with as_actor(STAFF):
        return Node.objects.get(name=name).id


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"starts_at": NOW - timedelta(seconds=1)}, "/starts_at"),
        ({"ends_at": STARTS}, "/ends_at"),
        ({"ends_at": STARTS + timedelta(days=15)}, "/ends_at"),
        ({"closes_at": STARTS + timedelta(seconds=1)}, "/closes_at"),
        ({"starts_at": NOW + timedelta(days=400), "ends_at": NOW + timedelta(days=401)}, "/starts_at"),
        ({"site_id": None}, "/place"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_planned(changes: dict[str, Any], pointer: str) -> None:
    market = build_market()
    with pytest.raises(MaintenanceInvalid) as refused:
        plan(**{"site_id": market.site.id, **changes})
    assert refused.value.pointer == pointer
    with as_actor(STAFF):
        assert not MaintenanceWindow.objects.exists()


def test_two_windows_of_one_place_do_not_overlap() -> None:
    market = build_market()
    plan(site_id=market.site.id)
    with pytest.raises(MaintenanceInvalid):
        plan(site_id=market.site.id, starts_at=ENDS - timedelta(seconds=1), ends_at=ENDS + timedelta(hours=1))
    plan(site_id=market.site.id, starts_at=ENDS, ends_at=ENDS + timedelta(hours=1))
    plan(node_id=node_id())


def waits_for(instance: Instance, *, now: datetime) -> str | None:
    """Why it waits after one more pass; None when it was placed."""
    see_clusters(now=now)
    admit_pass(holder="test", now=now)
    with as_actor(STAFF):
        instance.refresh_from_db()
    return None if instance.state != "queued" else str(instance.conditions["CapacityAllocated"]["reason"])


def test_nothing_is_placed_from_the_close_to_the_end() -> None:
    market = build_market()
    renter = add_renter()
    window = plan(cluster_id=market.cluster.id)
    assert window.closes_at == STARTS - timedelta(hours=1)
    assert waits_for(rent_as(renter, devices=1), now=window.closes_at - timedelta(seconds=1)) is None
    waiting = rent_as(renter, devices=1)
    assert waits_for(waiting, now=window.closes_at) == "SiteUnderMaintenance"
    assert waits_for(waiting, now=ENDS - timedelta(seconds=1)) == "SiteUnderMaintenance"
    assert waits_for(waiting, now=ENDS) is None


def test_running_instances_are_told_moved_at_the_start_and_placed_elsewhere() -> None:
    market = build_market()
    add_stock(market, name="node-2")
    renter = add_renter()
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    window = plan(node_id=node_id("node-1"), notice_ko="펌웨어를 올립니다.")
    assert maintain(now=NOW) == 0
    assert maintain(now=NOW) == 0
    with as_actor(STAFF):
        notice = Notice.objects.get(resolved_at__isnull=True, code="maintenance.move")
        assert notice.tenant_id == renter.tenant.id
        assert "2026-11-24 14:00 (KST)" in describe_notice(notice).message
        assert "train" in describe_notice(notice).message
    assert maintain(now=STARTS + timedelta(seconds=4)) == 1
    with as_actor(STAFF):
        instance.refresh_from_db()
        assert (instance.state, instance.state_reason) == ("stopping", "maintenance")
        move = Transition.objects.filter(instance=instance).order_by("-id").first()
        assert move is not None
        assert move.occurred_at == STARTS
        record_gone(instance_id=instance.id, attempt=1, now=STARTS + timedelta(seconds=6))
    assert maintain(now=STARTS + timedelta(seconds=10)) == 0
    assert waits_for(instance, now=STARTS + timedelta(seconds=11)) is None
    with as_actor(STAFF):
        allocation = instance.allocations.get(released_at__isnull=True)
        assert allocation.stock.node.name == "node-2"
        window.refresh_from_db()
        assert window.drained_at is not None
        assert not Notice.objects.filter(resolved_at__isnull=True, code="maintenance.move").exists()


def test_a_move_by_us_never_uses_up_the_attempts() -> None:
    build_market()
    instance = run_instance(add_renter(), started_at=NOW, ended_at=None)
    for attempt in range(1, 6):
        at = NOW + timedelta(hours=attempt)
        with as_actor(STAFF):
            assert drain_node(actor=STAFF, node_id=node_id(), reason="memory", now=at) == 1
            record_gone(instance_id=instance.id, attempt=attempt, now=at)
            instance.refresh_from_db()
            assert instance.state == "queued"
            Node.objects.filter(id=node_id()).update(cordoned_at=None)
        assert waits_for(instance, now=at) is None


def test_those_left_alone_run_on_and_the_meter_is_told_when_the_work_was() -> None:
    """Oracle for the meter: one outage per window, from its start to its real end, however late the sweep is."""
    market = build_market()
    instance = run_instance(add_renter(), started_at=NOW, ended_at=None)
    site = plan(site_id=market.site.id, drain=Drain.LEAVE)
    node = plan(node_id=node_id(), starts_at=STARTS + timedelta(hours=1), drain=Drain.LEAVE)
    cancelled = plan(node_id=node_id(), starts_at=ENDS, ends_at=ENDS + timedelta(hours=1))
    with as_actor(STAFF):
        cancel_maintenance(actor=STAFF, window_id=cancelled.id, reason="not needed", now=NOW)
    maintain(now=STARTS - timedelta(seconds=1))
    assert outages() == []
    assert maintain(now=STARTS + timedelta(seconds=9)) == 0
    assert outages() == [(None, None, STARTS, None)]
    with as_actor(STAFF):
        instance.refresh_from_db()
        assert instance.state == "running"
        assert Notice.objects.get(resolved_at__isnull=True, object_id=site.id).code == "maintenance.leave"
        end_maintenance(actor=STAFF, window_id=site.id, reason="done early", now=STARTS + timedelta(minutes=30))
    for minutes in (31, 32, 300):
        maintain(now=STARTS + timedelta(minutes=minutes))
    assert outages() == [
        (None, None, STARTS, STARTS + timedelta(minutes=30)),
        (market.cluster.id, node.node_id, STARTS + timedelta(hours=1), ENDS),
    ]


def outages() -> list[tuple[Any, ...]]:
    """What the meter reads: cluster, node, start, end."""
    with as_actor(STAFF):
        rows = Outage.objects.filter(kind="maintenance").order_by("started_at")
        return list(rows.values_list("cluster_id", "node_id", "started_at", "ended_at"))


def test_what_has_begun_is_ended_or_extended_but_not_cancelled() -> None:
    market = build_market()
    window = plan(site_id=market.site.id)
    for act, at in ((cancel_maintenance, STARTS), (end_maintenance, NOW), (end_maintenance, ENDS)):
        with pytest.raises(MaintenanceOver), as_actor(STAFF):
            act(actor=STAFF, window_id=window.id, reason="x", now=at)
    with as_actor(STAFF):
        with pytest.raises(MaintenanceInvalid):
            extend_maintenance(actor=STAFF, window_id=window.id, ends_at=ENDS, reason="x", now=STARTS)
        extend_maintenance(
            actor=STAFF, window_id=window.id, ends_at=ENDS + timedelta(hours=1), reason="late", now=STARTS
        )
        actions = AuditEntry.objects.filter(object_type="mnt").order_by("id").values_list("action", "reason")
        assert list(actions) == [("maintenance.planned", "firmware"), ("maintenance.extended", "late")]

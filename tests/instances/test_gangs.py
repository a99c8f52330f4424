"""Several nodes together: promised, started, ended and metered as one, all or nothing."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.metering import meter_instance
from billing.models import Charge, UsageInterval
from clusters.models import Workload
from marketplace.instances.models import Allocation, Instance, PlacementDecision
from marketplace.instances.operations import begin_stopping, record_gone, record_rank_ended, record_started
from marketplace.instances.states import Goal, Reason, State
from marketplace.inventory.models import NodeStock
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.quote import GangTooLarge
from marketplace.journeys.rent import rent
from marketplace.kernel.actors import as_actor
from marketplace.kernel.errors import ValidationFailed
from marketplace.quotas.models import Quota
from marketplace.quotas.operations import QuotaExceeded
from tests.market import NOW, STAFF, Renter, add_renter, add_stock, build_market, rent_as, request_of, see_clusters

pytestmark = pytest.mark.django_db


@pytest.fixture
def renter() -> Renter:
    """A bank with a quota of 24 devices, three nodes of eight."""
    market = build_market()
    for name in ("node-2", "node-3"):
        add_stock(market, name=name)
    return add_renter(quota=24)


def place(renter: Renter, *, nodes: int = 3, **changes: Any) -> Instance:
    """Rent eight devices on each of some nodes, and have the admitter look once."""
    instance = rent_as(renter, devices=8, nodes=nodes, **changes)
    admit_pass(holder="test", now=NOW)
    return fresh(instance)


def fresh(instance: Instance) -> Instance:
    """As it stands in the database."""
    with as_actor(STAFF):
        return Instance.objects.get(id=instance.id)


def start(instance: Instance, *, rank: int, at: datetime) -> None:
    """Have one rank's container run."""
    with as_actor(STAFF):
        record_started(instance_id=instance.id, attempt=1, rank=rank, started_at=at, reported_at=at, now=at)


def end(instance: Instance, reason: Reason, *, at: datetime) -> None:
    """Have something end the run."""
    with as_actor(STAFF):
        assert begin_stopping(instance_id=instance.id, attempt=1, reason=reason, occurred_at=at, now=at)


def leave(instance: Instance, *, rank: int, at: datetime) -> State | None:
    """Have one rank's pod be gone."""
    with as_actor(STAFF):
        return record_gone(instance_id=instance.id, attempt=1, rank=rank, now=at)


def test_a_gang_takes_every_node_and_quota_for_all_of_them(renter: Renter) -> None:
    instance = place(renter)
    with as_actor(STAFF):
        places = list(Allocation.objects.order_by("rank").values_list("rank", "stock__node__name", "devices"))
        names = list(Workload.objects.order_by("pod_name").values_list("pod_name", flat=True))
        used = Quota.objects.get().used
        chosen = PlacementDecision.objects.get().chosen
    assert (instance.state, instance.attempt, used) == ("provisioning", 1, 24)
    assert places == [(0, "node-1", 8), (1, "node-2", 8), (2, "node-3", 8)]
    assert [name.rsplit("-", 2)[1:] for name in names] == [["1", "0"], ["1", "1"], ["1", "2"]]
    assert chosen is not None
    assert chosen["nodes"] == ["node-1", "node-2", "node-3"]


def test_with_one_node_too_few_nothing_is_promised(renter: Renter) -> None:
    small = rent_as(renter, devices=1)
    admit_pass(holder="test", now=NOW)
    with as_actor(STAFF):
        Quota.objects.update(limit=100)
    waiting = place(renter)
    with as_actor(STAFF):
        assert [row.instance_id for row in Allocation.objects.all()] == [small.id]
        assert sum(NodeStock.objects.values_list("allocated_devices", flat=True)) == 1
    condition = waiting.conditions["CapacityAllocated"]
    assert (waiting.state, condition["reason"]) == ("queued", "WaitingForCapacity")


def test_quota_counts_the_devices_of_all_nodes(renter: Renter) -> None:
    with as_actor(STAFF):
        Quota.objects.update(limit=23)
    with pytest.raises(QuotaExceeded) as caught:
        rent_as(renter, devices=8, nodes=3)
    assert caught.value.facts["requested"] == 24
    with as_actor(STAFF):
        assert (Instance.objects.count(), Quota.objects.get().used) == (0, 0)


@pytest.mark.parametrize(("nodes", "error"), [(4, GangTooLarge), (65, ValidationFailed), (0, ValidationFailed)])
def test_a_gang_larger_than_the_pool_is_refused_and_nothing_is_written(
    renter: Renter, nodes: int, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught, as_actor(renter.actor):
        rent(actor=renter.actor, request=request_of(renter, devices=8, nodes=nodes), now=NOW)
    if error is GangTooLarge:
        assert caught.value.facts["largest"] == 3  # type: ignore[attr-defined]
    with as_actor(STAFF):
        assert (Instance.objects.count(), Quota.objects.get().used) == (0, 0)


def test_nodes_without_the_memory_that_belongs_to_the_devices_make_no_pool() -> None:
    """Two of three nodes have eight devices and memory for seven of them."""
    market = build_market()
    for name in ("node-2", "node-3"):
        add_stock(market, name=name, allocatable_memory_mib=799_999)
    with pytest.raises(GangTooLarge) as caught:
        rent_as(add_renter(quota=24), devices=8, nodes=2)
    assert caught.value.facts["largest"] == 1
    with as_actor(STAFF):
        assert not Instance.objects.exists()


def test_it_runs_when_the_last_rank_runs_and_that_is_where_the_meter_starts(renter: Renter) -> None:
    instance = place(renter)
    for seconds, rank in ((5, 1), (9, 0), (9, 0)):
        start(instance, rank=rank, at=NOW + timedelta(seconds=seconds))
    assert fresh(instance).state == "provisioning"
    start(instance, rank=2, at=NOW + timedelta(seconds=7))
    running = fresh(instance)
    assert (running.state, running.started_at) == ("running", NOW + timedelta(seconds=9))


def test_any_rank_that_is_lost_stops_all_and_devices_come_back_rank_by_rank(renter: Renter) -> None:
    """The gang is queued again, still wanted; quota stays held until then."""
    instance = place(renter)
    for rank in range(3):
        start(instance, rank=rank, at=NOW)
    end(instance, Reason.NODE_LOST, at=NOW + timedelta(seconds=60))
    left = []
    for rank in (2, 0, 0, 1):
        state = leave(instance, rank=rank, at=NOW + timedelta(seconds=70))
        with as_actor(STAFF):
            left.append((state, sum(NodeStock.objects.values_list("allocated_devices", flat=True))))
    assert left == [(None, 16), (None, 8), (None, 8), (State.QUEUED, 0)]
    assert fresh(instance).state == "queued"
    with as_actor(STAFF):
        assert Quota.objects.get().used == 24
    see_clusters(now=NOW + timedelta(seconds=80))
    admit_pass(holder="test", now=NOW + timedelta(seconds=80))
    again = fresh(instance)
    assert (again.state, again.attempt) == ("provisioning", 2)


def test_every_rank_is_metered_from_the_common_start_to_the_end(renter: Renter) -> None:
    """Three ranks of eight devices for 60 s: 1,440 device-seconds, each charged once however often it is metered."""
    instance = place(renter)
    for rank in range(3):
        start(instance, rank=rank, at=NOW + timedelta(seconds=rank))
    end(instance, Reason.COMPLETED, at=NOW + timedelta(seconds=62))
    for _again in range(2):
        with as_actor(STAFF):
            meter_instance(instance_id=instance.id, now=NOW + timedelta(hours=1))
    with as_actor(STAFF):
        intervals = list(UsageInterval.objects.order_by("rank").values_list("rank", "started_at", "ended_at"))
        seconds = sorted(Charge.objects.values_list("device_seconds", flat=True))
    common = (NOW + timedelta(seconds=2), NOW + timedelta(seconds=62))
    assert intervals == [(0, *common), (1, *common), (2, *common)]
    assert seconds == [480, 480, 480]


def test_a_rank_that_finishes_first_is_metered_to_its_own_end_and_the_gang_goes_on(renter: Renter) -> None:
    instance = place(renter, kind="job")
    for rank in range(3):
        start(instance, rank=rank, at=NOW)
    for seconds, rank in ((10, 1), (10, 1), (30, 2)):
        finish(instance, rank=rank, at=NOW + timedelta(seconds=seconds))
    assert fresh(instance).state == "running"
    finish(instance, rank=0, at=NOW + timedelta(seconds=20))
    ended = fresh(instance)
    assert (ended.state, ended.state_reason, ended.goal) == ("stopping", "completed", Goal.RUN)
    with as_actor(STAFF):
        meter_instance(instance_id=instance.id, now=NOW + timedelta(hours=1))
        ends = list(UsageInterval.objects.order_by("rank").values_list("ended_at", flat=True))
    assert ends == [NOW + timedelta(seconds=seconds) for seconds in (20, 10, 30)]


def finish(instance: Instance, *, rank: int, at: datetime) -> None:
    """Have one rank's main process finish successfully."""
    with as_actor(STAFF):
        assert record_rank_ended(instance_id=instance.id, attempt=1, rank=rank, ended_at=at, reported_at=at, now=at)

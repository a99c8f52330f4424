"""The queue in the database: shares by what was used, positions, estimates and how good they were."""

from datetime import timedelta

import pytest

from marketplace.instances.history import list_live_runs, list_recent_shapes, read_decayed_use
from marketplace.instances.models import Instance, StartEstimate
from marketplace.instances.operations import begin_stopping, record_gone
from marketplace.instances.states import Reason
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.diagnose import diagnose
from marketplace.kernel.actors import as_actor
from marketplace.scheduling.fair_share import FairUsage
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as, run_instance, see_clusters

HOUR = timedelta(hours=1)
PRICE_WON = 5_400.0


@pytest.fixture
def renter(db: None) -> Renter:
    """A bank on eight H200s."""
    del db
    build_market()
    return add_renter()


def other_renter() -> Renter:
    """Another organization."""
    return add_renter(number="6068100016", name="다솜정밀", data_classes=("open",))


def end(instance: Instance, *, at: object) -> None:
    """Have an instance's pod end and be gone."""
    with as_actor(STAFF):
        begin_stopping(instance_id=instance.id, attempt=1, reason=Reason.COMPLETED, occurred_at=at, now=at)  # type: ignore[arg-type]
    with as_actor(STAFF):
        record_gone(instance_id=instance.id, attempt=1, now=at)  # type: ignore[arg-type]


def test_use_by_sql_is_the_use_of_the_pure_rule(renter: Renter) -> None:
    """Two runs, one over and one going on, half a half-life later."""
    run_instance(renter, started_at=NOW, ended_at=NOW + HOUR, devices=2)
    run_instance(renter, started_at=NOW + HOUR, ended_at=None, devices=1)
    now = NOW + 3 * HOUR
    pure = FairUsage(half_life_s=7_200.0, entry_s=900.0)
    for seconds, rate in ((0.0, 2 * PRICE_WON), (3_600.0, PRICE_WON)):
        pure.start(tenant_id=renter.tenant.id, rate=rate, now_s=seconds)
        if seconds == 0.0:
            pure.end(tenant_id=renter.tenant.id, rate=rate, now_s=3_600.0)
    with as_actor(STAFF):
        found = read_decayed_use(now=now, half_life_s=7_200.0, entry_s=900.0)
    assert found[renter.tenant.id] == pytest.approx(pure.read(now_s=3 * 3_600.0)[renter.tenant.id])


def test_what_runs_and_what_was_asked_for_is_read_as_it_is(renter: Renter) -> None:
    run_instance(renter, started_at=NOW, ended_at=None, devices=2, max_duration_s=7_200)
    with as_actor(STAFF):
        (run,) = list_live_runs()
        shapes = list_recent_shapes(now=NOW + HOUR)
    assert run[1:7] == (2, 32_000, 200_000, NOW, 7_200, False)
    assert shapes == [((2, 32_000, 200_000), ["nvidia-h200"], 1)]


def test_the_tenant_that_used_nothing_goes_before_the_one_that_used_much(renter: Renter) -> None:
    first = run_instance(renter, started_at=NOW, ended_at=None, devices=8)
    other = other_renter()
    now = NOW + HOUR
    see_clusters(now=now)
    earlier = rent_as(renter, now=now, devices=8)
    later = rent_as(other, now=now + timedelta(seconds=1), devices=8)
    end(first, at=now + timedelta(seconds=2))
    admit_pass(holder="test", now=now + timedelta(seconds=3))
    with as_actor(STAFF):
        states = dict(Instance.objects.values_list("id", "state"))
    assert (states[later.id], states[earlier.id]) == ("provisioning", "queued")


def test_priority_decides_within_a_tenant(renter: Renter) -> None:
    first = rent_as(renter, devices=8)
    urgent = rent_as(renter, now=NOW + timedelta(seconds=1), devices=8, priority=1)
    admit_pass(holder="test", now=NOW + timedelta(seconds=2))
    with as_actor(STAFF):
        states = dict(Instance.objects.values_list("id", "state"))
    assert (states[urgent.id], states[first.id]) == ("provisioning", "queued")


def test_a_wait_tells_position_and_start_and_is_scored(renter: Renter) -> None:
    """Eight devices run for two hours at most; the next eight start when they end."""
    running = run_instance(renter, started_at=NOW, ended_at=None, devices=8, max_duration_s=7_200)
    now = NOW + HOUR
    see_clusters(now=now)
    waiting = rent_as(renter, now=now, devices=8)
    admit_pass(holder="test", now=now)
    with as_actor(renter.actor):
        told = diagnose(actor=renter.actor, instance_id=waiting.id)
    assert (told.queue_position, told.start_p50_at, told.start_p90_at) == (1, NOW + 2 * HOUR, NOW + 2 * HOUR)
    assert told.findings[0].code == "WaitingForCapacity"
    end(running, at=NOW + 2 * HOUR)
    see_clusters(now=NOW + 2 * HOUR)
    admit_pass(holder="test", now=NOW + 2 * HOUR)
    with as_actor(STAFF):
        scored = StartEstimate.objects.get(instance=waiting)
        waiting.refresh_from_db()
    assert (scored.p90_at, scored.started_at) == (NOW + 2 * HOUR, NOW + 2 * HOUR)
    assert (waiting.state, waiting.queue_position, waiting.reserved_since) == ("provisioning", None, None)


def test_devices_are_kept_for_the_one_that_waits_for_more(renter: Renter) -> None:
    """Six of eight run until NOW + 2 h; eight are waited for; of two small requests the one that ends in time passes."""
    run_instance(renter, started_at=NOW, ended_at=None, devices=6, max_duration_s=7_200)
    other = other_renter()
    now = NOW + HOUR
    see_clusters(now=now)
    large = rent_as(other, now=now, devices=8)
    admit_pass(holder="test", now=now)
    endless = rent_as(other, now=now + timedelta(seconds=1), devices=1)
    short = rent_as(other, now=now + timedelta(seconds=2), devices=1, max_duration_s=3_000)
    admit_pass(holder="test", now=now + timedelta(seconds=3))
    with as_actor(STAFF):
        rows = {row.id: row for row in Instance.objects.all()}
    assert rows[large.id].reserved_since == now
    assert rows[short.id].state == "provisioning"
    assert rows[endless.id].conditions["CapacityAllocated"]["reason"] == "ReservedForLargerRequest"


def test_with_no_end_in_sight_no_start_is_promised(renter: Renter) -> None:
    run_instance(renter, started_at=NOW, ended_at=None, devices=8)
    see_clusters(now=NOW + HOUR)
    waiting = rent_as(renter, now=NOW + HOUR, devices=1)
    admit_pass(holder="test", now=NOW + HOUR)
    with as_actor(renter.actor):
        told = diagnose(actor=renter.actor, instance_id=waiting.id)
    assert (told.queue_position, told.start_p50_at, told.start_p90_at) == (1, None, None)

"""The main job while its parts are killed: it converges, one pod per allocation, and every second is counted once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import psycopg
import pytest
import redis

from devstack.kubernetes.control_plane import LocalCluster
from devstack.processes import ProcessName
from tests.journeys.conftest import Market
from tests.journeys.usage import (
    assert_health_agrees,
    assert_usage_agrees,
    pods_of,
    recording,
    recording_health,
    wait_for,
)

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]


def test_a_worker_killed_between_pod_creation_and_commit(breakable: Market, own_cluster: LocalCluster) -> None:
    """The pod exists, our row does not say so: the next worker finds it and adopts it, and never makes a second one."""
    entry = breakable.enter()
    warm = entry.rent(devices=1)
    entry.customer.wait_for_state(warm, "running", timeout_s=30)
    processes = breakable.ondol.processes
    with recording(own_cluster) as usage_of:
        own_cluster.pause_api_server()
        instance_id = entry.rent()
        with locked_workload(instance_id):
            own_cluster.resume_api_server()
            pod = wait_for(lambda: pods_of(own_cluster, instance_id))[0]
            processes.kill(ProcessName.WORKER)
        assert applied_at(instance_id) is None
        processes.start([ProcessName.WORKER])
        entry.customer.wait_for_state(instance_id, "running", timeout_s=120)
        assert [item["metadata"]["uid"] for item in pods_of(own_cluster, instance_id)] == [pod["metadata"]["uid"]]
        entry.customer.act(instance_id, "end")
        entry.customer.wait_for_state(instance_id, "ended", timeout_s=30)
        assert_usage_agrees(entry.customer, instance_id, wait_for(lambda: usage_of(instance_id)))


def test_a_broker_flushed_under_load(breakable: Market, broker: str) -> None:
    """Every hint and task is lost; the sweeps find the rows, and all five run, stop and are metered."""
    entry = breakable.enter()
    client = redis.Redis.from_url(broker)
    with recording(breakable.home) as usage_of:
        rented = []
        for _ in range(5):
            rented.append(entry.rent(devices=1))
            client.flushall()
        for instance_id in rented:
            entry.customer.wait_for_state(instance_id, "running", timeout_s=60)
        time.sleep(1)
        for instance_id in rented:
            entry.customer.act(instance_id, "end")
            client.flushall()
        for instance_id in rented:
            entry.customer.wait_for_state(instance_id, "ended", timeout_s=60)
            assert_usage_agrees(
                entry.customer, instance_id, wait_for(partial(usage_of, instance_id)), deletion_late_s=30
            )
    client.close()


def test_an_api_server_stopped_for_sixty_seconds_and_back(breakable: Market, own_cluster: LocalCluster) -> None:
    """The running pod goes on; stock of the silent cluster is not sold meanwhile, and then it is again.

    Nobody can renew a lease meanwhile, so that the cluster tells nodes unready when it is back: those seconds are excused.
    """
    entry = breakable.enter()
    with recording(own_cluster) as usage_of, recording_health(own_cluster) as health:
        instance_id = entry.rent()
        entry.customer.wait_for_state(instance_id, "running", timeout_s=30)
        uid = pods_of(own_cluster, instance_id)[0]["metadata"]["uid"]
        own_cluster.stop_api_server()
        stopped = time.monotonic()
        time.sleep(25)
        waiting = entry.rent()
        wait_for(
            lambda: entry.customer.get(f"/instances/{waiting}/diagnosis")["reasons"][0]["code"] == "InventoryStale"
        )
        began = time.monotonic()
        assert entry.customer.get(f"/instances/{instance_id}")["state"] == "running"
        assert time.monotonic() - began < 1
        time.sleep(max(0, 60 - (time.monotonic() - stopped)))
        own_cluster.start_api_server()
        entry.customer.wait_for_state(waiting, "running", timeout_s=90)
        assert [item["metadata"]["uid"] for item in pods_of(own_cluster, instance_id)] == [uid]
        time.sleep(1.5)
        for item in (instance_id, waiting):
            entry.customer.act(item, "end")
        for item in (instance_id, waiting):
            entry.customer.wait_for_state(item, "ended", timeout_s=60)
            recomputed = wait_for(partial(usage_of, item))
            assert len(recomputed) == 1
            assert_health_agrees(entry.customer, item, recomputed, health)


@contextmanager
def locked_workload(instance_id: str) -> Iterator[None]:
    """Hold the instance's workload row, once a worker has claimed it, so that the worker's record of the pod cannot commit."""
    from django.db import connection  # noqa: PLC0415 - needs Django

    from clusters.models import Workload  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    def claimed() -> bool:
        with as_actor(STAFF):
            return Workload.objects.filter(instance_id=parsed(instance_id), claim_token__gte=1).exists()

    wait_for(claimed)
    settings = connection.settings_dict
    with (
        psycopg.connect(
            host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"], user=settings["USER"],
            password=settings["PASSWORD"],
        ) as session,
        session.cursor() as cursor,
    ):  # fmt: skip
        cursor.execute("SELECT set_config('role', 'ondol_staff', true)")
        cursor.execute("SELECT id FROM clusters_workload WHERE instance_id = %s FOR UPDATE", [parsed(instance_id)])
        assert cursor.fetchone() is not None
        yield
        session.rollback()


def applied_at(instance_id: str) -> object:
    """When our row says that the pod was applied."""
    from clusters.models import Workload  # noqa: PLC0415 - needs Django
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    with as_actor(STAFF):
        return Workload.objects.values_list("applied_at", flat=True).get(instance_id=parsed(instance_id))


def parsed(instance_id: str) -> UUID:
    """The stored id."""
    from marketplace.kernel import ids  # noqa: PLC0415 - needs Django

    return ids.parse_id(prefix="ins", text=instance_id)

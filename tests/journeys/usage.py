"""Oracles of the journeys: what the API servers' pods say, beside what Ondol says."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any

from devstack.demo.customer import Customer
from devstack.kubernetes.control_plane import Cluster
from devstack.recompute import HealthRecorder, Recorder, Usage, excused_device_seconds, recompute
from devstack.watching import ClusterPods

INSTANCE_LABEL = "ondol.kr/instance"
NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@contextmanager
def recording(*clusters: Cluster) -> Iterator[Callable[[str], list[Usage]]]:
    """Record every pod of the clusters meanwhile; yields a function from an instance's id to its recomputed usage."""
    recorders = [Recorder(source=ClusterPods(cluster)) for cluster in clusters]
    for recorder in recorders:
        recorder.start()

    def usage_of(instance_id: str) -> list[Usage]:
        records = [record for recorder in recorders for record in list(recorder.records.values())]
        return [usage for usage in recompute(records) if usage.instance == instance_id]

    yield usage_of
    for recorder in recorders:
        recorder.stop()


@contextmanager
def recording_health(cluster: Cluster) -> Iterator[HealthRecorder]:
    """Record nodes and leases meanwhile."""
    recorder = HealthRecorder(nodes=ClusterPods(cluster, NODES), leases=ClusterPods(cluster, LEASES))
    recorder.start()
    yield recorder
    recorder.stop()


def pods_of(cluster: Cluster, instance_id: str) -> list[dict[str, Any]]:
    """The instance's pods as the API server has them now."""
    return cluster.api.list(f"/api/v1/pods?labelSelector={INSTANCE_LABEL}%3D{instance_id}")


def list_runs(customer: Customer, instance_id: str, recomputed: list[Usage]) -> list[tuple[datetime, datetime, int]]:
    """Metered time as Ondol tells it, where it has ended: begin, end, devices; the parts of one run as one.

    A run that a silence split is told in parts that adjoin. Two runs may adjoin to the second as well: where one of the pods
    began, a new run begins.
    """
    found: list[tuple[datetime, datetime, int]] = []
    for row in told(customer, instance_id, "metered"):
        is_new_run = any(abs((row[0] - usage.started_at).total_seconds()) <= 1 for usage in recomputed)
        if found and found[-1][1] == row[0] and not is_new_run:
            found[-1] = (found[-1][0], row[1], row[2])
        else:
            found.append(row)
    return found


def told(customer: Customer, instance_id: str, kind: str) -> list[tuple[datetime, datetime, int]]:
    """Closed usage intervals of one kind as Ondol tells them: begin, end, devices."""
    rows = customer.get(f"/instances/{instance_id}/usage")["data"]
    return [
        (datetime.fromisoformat(row["started_at"]), datetime.fromisoformat(row["ended_at"]), row["devices"])
        for row in rows
        if row["ended_at"] is not None and row["kind"] == kind
    ]


def seconds(customer: Customer, instance_id: str, kind: str) -> int:
    """Device-seconds that Ondol tells of one kind."""
    return sum(
        int((end - start).total_seconds()) * devices for start, end, devices in told(customer, instance_id, kind)
    )


def assert_no_overlap(customer: Customer, instance_id: str) -> None:
    """Intervals of all kinds follow each other."""
    spans = sorted(span for kind in ("metered", "excused", "unknown") for span in told(customer, instance_id, kind))
    assert all(before[1] <= after[0] for before, after in pairwise(spans)), spans


def assert_health_agrees(customer: Customer, instance_id: str, recomputed: list[Usage], health: HealthRecorder) -> None:
    """Oracle U where nodes were in trouble: what ran is metered or excused, to a second per transition, nothing unknown."""
    excused = sum(excused_device_seconds(usage, health.outages(usage.node)) for usage in recomputed)
    running = sum(usage.device_seconds for usage in recomputed)
    transitions = 2 * len(recomputed) + 2 * sum(len(health.outages(usage.node)) for usage in recomputed)
    tolerance = transitions * max(usage.devices for usage in recomputed)
    wait_for(lambda: not told(customer, instance_id, "unknown"))
    told_seconds = {kind: seconds(customer, instance_id, kind) for kind in ("metered", "excused")}
    assert abs(told_seconds["metered"] - (running - excused)) <= tolerance, (told_seconds, running, excused)
    assert abs(told_seconds["excused"] - excused) <= tolerance, (told_seconds, running, excused)
    assert_no_overlap(customer, instance_id)


def _until_as_many(
    customer: Customer, instance_id: str, recomputed: list[Usage]
) -> list[tuple[datetime, datetime, int]]:
    """The told intervals once there are as many as the pods say, or what is told after half a minute."""
    deadline = time.monotonic() + 30
    while len(found := list_runs(customer, instance_id, recomputed)) < len(recomputed) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def assert_usage_agrees(
    customer: Customer, instance_id: str, recomputed: list[Usage], *, deletion_late_s: int = 4
) -> None:
    """Oracle U: as many runs, and each begins and ends within a second of what the pods say; none overlap.

    Args:
        deletion_late_s: How much later than the accepted stop, which ends the meter, the cluster may have been asked to delete.
    """
    found = _until_as_many(customer, instance_id, recomputed)
    events = customer.get(f"/instances/{instance_id}/events")["data"]
    assert len(found) == len(recomputed), (found, recomputed, [(e["to"], e["occurred_at"]) for e in events])
    for (start, end, devices), usage in zip(found, recomputed, strict=True):
        assert devices == usage.devices
        assert abs((start - usage.started_at).total_seconds()) <= 1, (start, usage.started_at)
        assert -1 <= (usage.ended_at - end).total_seconds() <= deletion_late_s, (end, usage.ended_at)
    assert all(before[1] <= after[0] for before, after in pairwise(found))


def wait_for(look: Callable[[], Any], *, timeout_s: float = 30) -> Any:
    """Look until something is seen, and return it.

    Raises:
        AssertionError: Nothing within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, "not seen in time"
        time.sleep(0.1)

"""The honest meter on a real control plane: failed nodes, silent clusters; recomputed from the cluster's own objects."""

import time

import pytest

from devstack.demo.customer import Customer
from devstack.kubernetes.control_plane import LocalCluster
from devstack.kubernetes.nodes import fail_node, lose_node, restore_node
from devstack.recompute import excused_device_seconds
from tests.journeys.conftest import Market
from tests.journeys.usage import assert_no_overlap, pods_of, recording, recording_health, seconds, told, wait_for

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]


def open_kind(customer: Customer, instance_id: str) -> str | None:
    """The kind of the interval that goes on."""
    rows = customer.get(f"/instances/{instance_id}/usage")["data"]
    return next((row["kind"] for row in rows if row["ended_at"] is None), None)


@pytest.mark.parametrize("break_node", [fail_node, lose_node])
def test_a_failed_node_is_excused_from_its_last_lease_renewal(
    breakable: Market, own_cluster: LocalCluster, break_node: object
) -> None:
    """Until the pod is evicted or the node is back; the second run is metered again; to the second as nodes and leases say."""
    entry = breakable.enter()
    with recording(own_cluster) as usage_of, recording_health(own_cluster) as health:
        instance_id = entry.rent()
        entry.customer.wait_for_state(instance_id, "running", timeout_s=30)
        time.sleep(3)
        break_node(own_cluster, name="h200-home")  # type: ignore[operator] # one of two functions
        wait_for(lambda: open_kind(entry.customer, instance_id) == "excused" or told(entry.customer, instance_id, "excused"),
                 timeout_s=60)  # fmt: skip
        wait_for(lambda: [pod for pod in pods_of(own_cluster, instance_id) if "deletionTimestamp" in pod["metadata"]]
                 or not pods_of(own_cluster, instance_id), timeout_s=60)  # fmt: skip
        restore_node(own_cluster, name="h200-home")
        wait_for(lambda: entry.customer.get(f"/instances/{instance_id}")["attempt"] == 2, timeout_s=90)
        entry.customer.wait_for_state(instance_id, "running", timeout_s=60)
        time.sleep(2)
        entry.customer.act(instance_id, "end")
        entry.customer.wait_for_state(instance_id, "ended", timeout_s=60)
        recomputed = wait_for(lambda: found if len(found := usage_of(instance_id)) == 2 else None)
        wait_for(lambda: open_kind(entry.customer, instance_id) is None)
        outages = health.outages("h200-home")
        assert outages
        excused = sum(excused_device_seconds(usage, outages) for usage in recomputed)
        running = sum(usage.device_seconds for usage in recomputed)
        # A second per transition and device: two runs, one change of verdict.
        assert abs(seconds(entry.customer, instance_id, "metered") - (running - excused)) <= 2 * 5
        assert excused > 0
        assert abs(seconds(entry.customer, instance_id, "excused") - excused) <= 2 * 4
        assert seconds(entry.customer, instance_id, "unknown") == 0
        assert_no_overlap(entry.customer, instance_id)


def test_a_silent_cluster_is_unknown_and_then_metered_since_the_pod_is_still_there(
    breakable: Market, own_cluster: LocalCluster
) -> None:
    """Unknown while it is silent, all of it metered afterwards, as the pod says."""
    entry = breakable.enter()
    with recording(own_cluster) as usage_of:
        instance_id = entry.rent()
        entry.customer.wait_for_state(instance_id, "running", timeout_s=30)
        time.sleep(2)
        own_cluster.stop_api_server()
        wait_for(lambda: open_kind(entry.customer, instance_id) == "unknown", timeout_s=60)
        before = seconds(entry.customer, instance_id, "metered")
        own_cluster.start_api_server()
        wait_for(lambda: open_kind(entry.customer, instance_id) == "metered", timeout_s=60)
        wait_for(lambda: not told(entry.customer, instance_id, "unknown"), timeout_s=60)
        entry.customer.act(instance_id, "end")
        entry.customer.wait_for_state(instance_id, "ended", timeout_s=60)
        recomputed = wait_for(lambda: usage_of(instance_id))
        wait_for(lambda: open_kind(entry.customer, instance_id) is None)
        assert seconds(entry.customer, instance_id, "metered") > before
        assert (
            abs(seconds(entry.customer, instance_id, "metered") - sum(usage.device_seconds for usage in recomputed))
            <= 4
        )
        assert seconds(entry.customer, instance_id, "excused") == 0
        assert_no_overlap(entry.customer, instance_id)


def test_a_pod_that_is_gone_after_a_silence_is_excused(breakable: Market, own_cluster: LocalCluster) -> None:
    """It is deleted while the watcher hears nothing of it: paid to its last sighting, excused until that was noticed."""
    entry = breakable.enter()
    instance_id = entry.rent()
    entry.customer.wait_for_state(instance_id, "running", timeout_s=30)
    time.sleep(2)
    pod = pods_of(own_cluster, instance_id)[0]["metadata"]
    from devstack.processes import ProcessName  # noqa: PLC0415 - beside its one use

    processes = breakable.ondol.processes
    for name in (ProcessName.WATCHER, ProcessName.WORKER):
        processes.kill(name)
    own_cluster.api.delete(f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}", grace_s=0)
    wait_for(lambda: not pods_of(own_cluster, instance_id))
    time.sleep(25)
    for name in (ProcessName.WORKER, ProcessName.WATCHER):
        processes.start([name])
    wait_for(lambda: told(entry.customer, instance_id, "excused"), timeout_s=90)
    entry.customer.wait_for_state(instance_id, "running", timeout_s=90)
    entry.customer.act(instance_id, "end")
    entry.customer.wait_for_state(instance_id, "ended", timeout_s=60)
    assert not told(entry.customer, instance_id, "unknown")
    assert_no_overlap(entry.customer, instance_id)

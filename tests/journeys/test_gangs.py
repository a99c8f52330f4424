"""A gang on a real control plane: bound together, found by its own members, ended by the loss of one."""

import time

from tests.journeys.conftest import SECOND, Entry, Market
from tests.journeys.usage import pods_of, recording, told, wait_for


def test_two_nodes_start_together_are_metered_together_and_leave_nothing_behind(two_nodes: Market) -> None:
    """Sixteen devices; the meter of both ranks starts with the later one; the loss of one pod ends both."""
    entry, home = two_nodes.enter(), two_nodes.home
    with recording(home) as usage_of:
        instance_id = rent_gang(entry)
        running = entry.customer.wait_for_state(instance_id, "running", timeout_s=30)
        pods = sorted(pods_of(home, instance_id), key=lambda pod: pod["metadata"]["labels"]["ondol.kr/rank"])
        assert [pod["spec"]["nodeName"] for pod in pods] == running["place"]["nodes"]
        assert set(running["place"]["nodes"]) == {"h200-home", SECOND}
        namespace = pods[0]["metadata"]["namespace"]
        service = home.api.list(f"/api/v1/namespaces/{namespace}/services")[0]
        assert [pod["spec"]["subdomain"] for pod in pods] == [service["metadata"]["name"]] * 2
        policies = home.api.list(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies")
        assert sorted(policy["metadata"]["name"] for policy in policies) == [service["metadata"]["name"], "ondol"]
        time.sleep(2)
        entry.customer.act(instance_id, "end")
        entry.customer.wait_for_state(instance_id, "ended", timeout_s=30)
        assert pods_of(home, instance_id) == []
        recomputed = wait_for(lambda: found if len(found := usage_of(instance_id)) == 2 else [])
        rows = wait_for(lambda: found if len(found := told(entry.customer, instance_id, "metered")) == 2 else [])
    assert {(start, end) for start, end, _devices in rows} == {(rows[0][0], rows[0][1])}
    assert abs((rows[0][0] - max(usage.started_at for usage in recomputed)).total_seconds()) <= 1
    assert [devices for _start, _end, devices in rows] == [8, 8]
    wait_for(lambda: not home.api.list(f"/api/v1/namespaces/{namespace}/services"))


def test_a_pod_deleted_behind_our_back_takes_the_gang_with_it_and_all_of_it_comes_back(two_nodes: Market) -> None:
    entry, home = two_nodes.enter(), two_nodes.home
    instance_id = rent_gang(entry)
    entry.customer.wait_for_state(instance_id, "running", timeout_s=30)
    before = {pod["metadata"]["uid"] for pod in pods_of(home, instance_id)}
    victim = pods_of(home, instance_id)[1]["metadata"]
    home.api.delete(f"/api/v1/namespaces/{victim['namespace']}/pods/{victim['name']}")
    wait_for(lambda: entry.customer.get(f"/instances/{instance_id}")["attempt"] == 2, timeout_s=60)
    entry.customer.wait_for_state(instance_id, "running", timeout_s=60)
    after = {pod["metadata"]["uid"] for pod in pods_of(home, instance_id)}
    assert (len(after), before & after) == (2, set())
    entry.customer.act(instance_id, "end")
    entry.customer.wait_for_state(instance_id, "ended", timeout_s=30)


def rent_gang(entry: Entry) -> str:
    """Two whole nodes."""
    return entry.rent(devices=8, nodes=2)

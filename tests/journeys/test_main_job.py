"""The main job by the REST API on real components: rent → pod → usage → invoice, and how it is refused."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from devstack.demo.customer import ApiRefused, Customer
from devstack.recompute import compare
from tests.journeys.conftest import Market
from tests.journeys.usage import assert_usage_agrees, pods_of, recording, wait_for


def test_two_h200s_are_rented_run_metered_and_invoiced(market: Market) -> None:
    """The pod stands on the allocated node with exactly two devices; the invoice agrees with the pods to the second."""
    entry = market.enter()
    with recording(market.home) as usage_of:
        instance_id = entry.rent()
        running = entry.customer.wait_for_state(instance_id, "running", timeout_s=20)
        pod = pods_of(market.home, instance_id)[0]
        assert pod["spec"]["nodeName"] == running["place"]["node"] == "h200-home"
        assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
        time.sleep(2)
        entry.customer.act(instance_id, "end")
        entry.customer.wait_for_state(instance_id, "ended", timeout_s=20)
        assert pods_of(market.home, instance_id) == []
        recomputed = wait_for(lambda: usage_of(instance_id))
        assert_usage_agrees(entry.customer, instance_id, recomputed)
    invoice = close_next_month(entry.renter.tenant.id, entry.customer)
    assert int(invoice["supply_value"]) + int(invoice["vat"]) == int(invoice["total"])
    comparisons = compare(lines=invoice["lines"], usages=recomputed)
    assert [item.instance for item in comparisons] == [instance_id]
    assert all(item.agrees for item in comparisons)


def test_a_site_that_the_data_class_forbids_is_refused_with_evidence(market: Market) -> None:
    """In the quote, at rent, and in the decision that is stored with the instance that runs elsewhere."""
    entry = market.enter()
    quote = entry.customer.post("/quotes", {"project": entry.project, "accelerators": ["nvidia-h200"], "devices": 2})
    assert [offer["code"] for offer in quote["offers"]] == ["pangyo-h200"]
    assert [(item["offer_code"], [r["rule"] for r in item["reasons"]]) for item in quote["refused"]] == [
        ("chuncheon-h200", ["certificate_missing", "certificate_missing"])
    ]
    with pytest.raises(ApiRefused) as refused:
        entry.rent(offers=[quote["refused"][0]["offer"]])
    assert (refused.value.status, refused.value.problem["code"]) == (403, "data_class_not_allowed")
    assert entry.customer.get("/instances")["data"] == []
    instance_id = entry.rent()
    entry.customer.wait_for_state(instance_id, "running", timeout_s=20)
    decision = entry.customer.get(f"/instances/{instance_id}/placement")["decision"]
    forbidden = [item for item in decision["rejected"] if item["rejection"] == "site_not_permitted"]
    assert [(item["site"], item["reasons"][0]["rule"]) for item in forbidden] == [
        ("chuncheon-general", "certificate_missing")
    ]
    assert {item["document"] for item in decision["certificates"]} == {"FSI-CSP-2025-009", "ISMS-P-KISA-2025-031"}
    entry.customer.act(instance_id, "end")
    entry.customer.wait_for_state(instance_id, "ended", timeout_s=20)


def test_nine_devices_on_eight_device_nodes_are_refused(market: Market) -> None:
    """At once, by name, with nothing written."""
    entry = market.enter()
    with pytest.raises(ApiRefused) as refused:
        entry.rent(devices=9)
    assert (refused.value.status, refused.value.problem["code"]) == (422, "request_too_large")
    assert entry.customer.get("/instances")["data"] == []


def test_the_last_device_goes_to_exactly_one_of_twenty(market: Market) -> None:
    """Seven of a node's eight are taken, twenty tenants ask at once for the last: nineteen wait with a reason."""
    filler = market.enter()
    seven = filler.rent(devices=7)
    filler.customer.wait_for_state(seven, "running", timeout_s=20)
    entries = [market.enter() for _ in range(20)]
    rented: list[tuple[Customer, str]] = []

    def ask(index: int) -> None:
        entry = entries[index]
        rented.append((entry.customer, entry.rent(devices=1)))

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: sum(state(customer, item) == "running" for customer, item in rented) == 1)
    wait_for(lambda: sum(reason(customer, item) == "WaitingForCapacity" for customer, item in rented) == 19)
    assert sorted(len(pods_of(market.home, item)) for _customer, item in rented) == [0] * 19 + [1]
    for customer, item in rented:
        if state(customer, item) == "queued":
            customer.act(item, "end")
    winner, won = next((customer, item) for customer, item in rented if state(customer, item) == "running")
    for customer, item in ((winner, won), (filler.customer, seven)):
        customer.act(item, "end")
        customer.wait_for_state(item, "ended", timeout_s=20)


def test_a_request_that_does_not_want_to_wait_ends_at_the_first_pass(market: Market) -> None:
    """The node has eight: a full one leaves nothing, and `max_wait_s: 0` says so within a second."""
    entry = market.enter()
    first = entry.rent(devices=8)
    entry.customer.wait_for_state(first, "running", timeout_s=20)
    second = entry.rent(devices=1, max_wait_s=0)
    ended = entry.customer.wait_for_state(second, "ended", timeout_s=10)
    assert ended["state_reason"] == "insufficient_capacity"
    third = entry.rent(devices=1)
    diagnosis = wait_for(
        lambda: (
            found
            if (found := entry.customer.get(f"/instances/{third}/diagnosis"))["reasons"][0]["code"]
            == "WaitingForCapacity"
            else None
        )
    )
    facts = diagnosis["reasons"][0]["facts"]
    assert {name: facts[name] for name in ("requested", "free", "nodes", "short_of")} == {
        "requested": 1,
        "free": 0,
        "nodes": 1,
        "short_of": "devices",
    }
    assert diagnosis["queue_position"] == 1
    entry.customer.act(first, "end")
    entry.customer.wait_for_state(third, "running", timeout_s=20)
    entry.customer.act(third, "end")
    entry.customer.wait_for_state(third, "ended", timeout_s=20)


def test_a_stopped_instance_starts_again_and_both_runs_are_metered(market: Market) -> None:
    """Two intervals, no overlap, each as its pod says; quota is held while it runs and only then."""
    entry = market.enter(quota=2)
    with recording(market.home) as usage_of:
        instance_id = entry.rent()
        for _run in range(2):
            entry.customer.wait_for_state(instance_id, "running", timeout_s=20)
            assert used(entry.customer) == 2
            time.sleep(1.5)
            entry.customer.act(instance_id, "stop")
            entry.customer.wait_for_state(instance_id, "stopped", timeout_s=20)
            assert used(entry.customer) == 0
            if _run == 0:
                entry.customer.act(instance_id, "start")
        assert_usage_agrees(entry.customer, instance_id, wait_for(lambda: usage_of(instance_id)))


def test_a_pod_deleted_by_hand_comes_back_on_the_meter_of_its_own(market: Market) -> None:
    """The first run ends when it was deleted, the second begins with the new pod; never two pods at once."""
    entry = market.enter()
    with recording(market.home) as usage_of:
        instance_id = entry.rent()
        entry.customer.wait_for_state(instance_id, "running", timeout_s=20)
        pod = pods_of(market.home, instance_id)[0]["metadata"]
        time.sleep(1.5)
        market.home.api.delete(f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}", grace_s=0)
        wait_for(lambda: [p for p in pods_of(market.home, instance_id) if p["metadata"]["uid"] != pod["uid"]])
        instance = entry.customer.wait_for_state(instance_id, "running", timeout_s=30)
        assert instance["attempt"] == 2
        assert len(pods_of(market.home, instance_id)) == 1
        time.sleep(1.5)
        entry.customer.act(instance_id, "end")
        entry.customer.wait_for_state(instance_id, "ended", timeout_s=20)
        recomputed = wait_for(lambda: found if len(found := usage_of(instance_id)) == 2 else None)
        assert_usage_agrees(entry.customer, instance_id, recomputed)


def test_the_namespace_enforces_restricted_and_denies_the_network(market: Market) -> None:
    """Namespace labels enforce the profile; a network policy denies all but name resolution."""
    entry = market.enter()
    instance_id = entry.rent(devices=1)
    entry.customer.wait_for_state(instance_id, "running", timeout_s=20)
    pod = pods_of(market.home, instance_id)[0]
    namespace = pod["metadata"]["namespace"]
    labels = market.home.api.get(f"/api/v1/namespaces/{namespace}")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert pod["spec"]["automountServiceAccountToken"] is False
    policy = market.home.api.get(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/ondol")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"]
    entry.customer.act(instance_id, "end")
    entry.customer.wait_for_state(instance_id, "ended", timeout_s=20)


def close_next_month(tenant_id: object, customer: Customer) -> dict[str, Any]:
    """Close this month for one tenant at an instant in the next one, and read the invoice as the customer."""
    from billing.month_close import close_month  # noqa: PLC0415 - needs Django
    from billing.rating import month_bounds, month_of  # noqa: PLC0415
    from marketplace.kernel import clock  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    month = month_of(clock.now())
    now = month_bounds(month)[1] + timedelta(hours=9)
    close_month(actor=STAFF, month=month, now=now, tenant_ids=[tenant_id])  # type: ignore[list-item] # an id of Django's
    invoices = customer.get("/invoices")["data"]
    assert len(invoices) == 1
    return customer.get(f"/invoices/{invoices[0]['id']}")


def state(customer: Customer, instance_id: str) -> str:
    """The instance's state now."""
    return str(customer.get(f"/instances/{instance_id}")["state"])


def reason(customer: Customer, instance_id: str) -> str:
    """Why it waits, or what happened."""
    return str(customer.get(f"/instances/{instance_id}/diagnosis")["reasons"][0]["code"])


def used(customer: Customer) -> int:
    """Devices that the tenant's quota counts."""
    return int(next(row["used"] for row in customer.get("/quotas")["data"] if row["scope"] == "tenant"))

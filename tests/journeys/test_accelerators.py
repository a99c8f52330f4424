"""Partitions and NPUs on a real control plane: bound and run as GPUs are, by their vendors' own resource names, and metered."""

import time
from functools import partial

from devstack.kubernetes.control_plane import Cluster
from tests.journeys.conftest import Entry, Market
from tests.journeys.usage import assert_usage_agrees, pods_of, recording, wait_for

MIG, RNGD, ATOM = "nvidia-a100-80g-mig-1g-10gb", "furiosa-rngd", "rebellions-atom"


def test_partitions_and_npus_bind_run_and_are_metered(market: Market) -> None:
    """Each by the vendor's resource, capitals and all, on the node that was chosen, to the second."""
    home, away = market.home, market.ondol.clusters["away"]
    bank, factory = market.enter(), market.enter(data_classes=("open",))
    asked: list[tuple[Entry, Cluster, str, int, str, str]] = [
        (bank, home, MIG, 3, "nvidia.com/mig-1g.10gb", "a100-home"),
        (factory, away, RNGD, 2, "furiosa.ai/rngd", "rngd-away"),
        (factory, away, ATOM, 4, "rebellions.ai/ATOM", "atom-away"),
    ]
    with recording(home, away) as usage_of:
        rented = [entry.rent(accelerators=[code], devices=count) for entry, _cluster, code, count, *_rest in asked]
        for instance_id, (entry, cluster, _code, count, resource, node) in zip(rented, asked, strict=True):
            running = entry.customer.wait_for_state(instance_id, "running", timeout_s=30)
            pod = pods_of(cluster, instance_id)[0]
            assert pod["spec"]["nodeName"] == running["place"]["node"] == node
            limits = pod["spec"]["containers"][0]["resources"]["limits"]
            assert {name: value for name, value in limits.items() if "/" in name} == {resource: str(count)}
        time.sleep(2)  # all have run for whole seconds
        for instance_id, (entry, *_rest) in zip(rented, asked, strict=True):
            entry.customer.act(instance_id, "end")
        for instance_id, (entry, cluster, _code, count, *_rest) in zip(rented, asked, strict=True):
            entry.customer.wait_for_state(instance_id, "ended", timeout_s=30)
            assert pods_of(cluster, instance_id) == []
            recomputed = wait_for(partial(usage_of, instance_id))
            assert [usage.devices for usage in recomputed] == [count]
            assert_usage_agrees(entry.customer, instance_id, recomputed)


def test_grouped_npus_of_a_node_belong_to_one_organization_at_a_time(market: Market) -> None:
    """Four of eight ATOMs are free, and yet another organization waits for the first to leave; its own second one does not."""
    away = market.ondol.clusters["away"]
    first, second = (market.enter(data_classes=("open",)) for _ in range(2))
    held = [first.rent(accelerators=[ATOM], devices=2) for _ in range(2)]
    for instance_id in held:
        first.customer.wait_for_state(instance_id, "running", timeout_s=30)
    waiting = second.rent(accelerators=[ATOM], devices=1)
    reason = wait_for(
        lambda: (
            code
            if (code := second.customer.get(f"/instances/{waiting}/diagnosis")["reasons"][0]["code"]) != "Queued"
            else ""
        )
    )
    assert reason == "WaitingForCapacity"
    assert pods_of(away, waiting) == []
    for instance_id in held:
        first.customer.act(instance_id, "end")
    second.customer.wait_for_state(waiting, "running", timeout_s=30)
    second.customer.act(waiting, "end")
    second.customer.wait_for_state(waiting, "ended", timeout_s=30)


def test_personal_credit_data_does_not_go_to_npus_of_an_uncertified_site(market: Market) -> None:
    """Nor to partitions whose isolation is weaker than asked for; both are told by rule, and nothing is written."""
    bank = market.enter(data_classes=("national-core-technology",))
    quote = bank.customer.post("/quotes", {"project": bank.project, "accelerators": [MIG, RNGD], "devices": 1})
    assert quote["offers"] == []
    rules = {item["offer_code"]: {reason["rule"] for reason in item["reasons"]} for item in quote["refused"]}
    assert rules == {"pangyo-a100-mig-1g": {"isolation_too_weak"}, "chuncheon-rngd": {"certificate_missing"}}
    assert bank.customer.get("/instances")["data"] == []

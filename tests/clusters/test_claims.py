"""Claims of workloads: one worker at a time, under a token that outlives nobody's sleep."""

from datetime import timedelta
from uuid import UUID

import pytest

from clusters.claims import CLAIM, claim_due, record_applied
from clusters.models import ClusterConnection, Workload
from clusters.reconcile import ACTOR
from marketplace.inventory.models import Cluster
from marketplace.journeys.admit import admit_pass
from marketplace.kernel.actors import as_actor
from tests.market import NOW, add_renter, build_market, rent_as, see_clusters

pytestmark = pytest.mark.django_db


@pytest.fixture
def instances() -> list[UUID]:
    """Three instances that were just placed."""
    build_market()
    renter = add_renter()
    see_clusters(now=NOW)
    placed = [rent_as(renter, name=f"run-{number}").id for number in range(3)]
    assert admit_pass(holder="test", now=NOW).placed == 3
    with as_actor(ACTOR):
        ClusterConnection.objects.create(
            cluster=Cluster.objects.get(), server="https://api:6443", address="127.0.0.1", certificate_authority="",
            suite="none", key_id="none", ciphertext=b"",
        )  # fmt: skip
    return placed


def test_several_are_claimed_at_once_and_by_nobody_else(instances: list[UUID]) -> None:
    """Each with what its pod is made of; a second worker passes them over."""
    with as_actor(ACTOR):
        claimed = claim_due(instance_ids=instances, now=NOW, limit=10)
        again = claim_due(instance_ids=instances, now=NOW + CLAIM - timedelta(seconds=1), limit=10)
    assert sorted(item.instance_id for item in claimed) == sorted(instances)
    assert {(item.token, item.spec.node, item.spec.resource_name, item.spec.devices) for item in claimed} == {
        (1, "node-1", "nvidia.com/gpu", 2)
    }
    assert again == []


def test_no_more_than_the_limit_are_claimed(instances: list[UUID]) -> None:
    """The rest stays for whoever comes next."""
    with as_actor(ACTOR):
        first = claim_due(instance_ids=instances, now=NOW, limit=2)
        second = claim_due(instance_ids=instances, now=NOW, limit=2)
    assert (len(first), len(second)) == (2, 1)


def test_a_claim_that_lapsed_writes_nothing(instances: list[UUID]) -> None:
    """Another worker has a larger token; what the first one did meanwhile is not recorded."""
    with as_actor(ACTOR):
        (slow,) = claim_due(instance_ids=instances[:1], now=NOW, limit=10)
        (quick,) = claim_due(instance_ids=instances[:1], now=NOW + CLAIM, limit=10)
        record_applied(made=[(slow, "uid-slow")], now=NOW, due_at=NOW)
        assert Workload.objects.get(id=slow.workload_id).pod_uid == ""
        record_applied(made=[(quick, "uid-quick")], now=NOW, due_at=NOW)
        assert Workload.objects.get(id=slow.workload_id).pod_uid == "uid-quick"
    assert (slow.token, quick.token) == (1, 2)


def test_nothing_is_claimed_behind_an_open_breaker(instances: list[UUID]) -> None:
    """Until it closes by itself."""
    with as_actor(ACTOR):
        ClusterConnection.objects.update(open_until=NOW + timedelta(seconds=10))
        assert claim_due(instance_ids=instances, now=NOW, limit=10) == []
        assert len(claim_due(instance_ids=instances, now=NOW + timedelta(seconds=10), limit=10)) == 3

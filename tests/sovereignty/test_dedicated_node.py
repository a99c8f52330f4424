"""A data class that asks for a node alone: from the rule through admission to the allocation."""

from datetime import timedelta

import pytest

from marketplace.instances.models import Allocation, Instance, PlacementDecision
from marketplace.instances.operations import begin_stopping, record_gone
from marketplace.instances.states import Reason
from marketplace.journeys.admit import admit_pass
from marketplace.kernel.actors import as_actor
from marketplace.sovereignty.operations import publish_rule
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as, see_clusters

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank() -> Renter:
    """A bank whose data asks for a node alone, on one node of eight devices."""
    build_market()
    with as_actor(STAFF):
        publish_rule(
            actor=STAFF, data_class="personal-credit", requirements={"needs_dedicated_node": True}, effective_from=NOW,
            source="", now=NOW,
        )  # fmt: skip
    return add_renter()


def states() -> dict[str, str]:
    with as_actor(STAFF):
        return dict(Instance.objects.values_list("name", "state"))


def test_a_dedicated_node_is_shared_with_nobody_until_its_devices_are_back(bank: Renter) -> None:
    """The other tenant waits though six devices are free; the bank itself does not; afterwards the other one starts."""
    factory = add_renter(number="6068100016", name="다솜정밀", data_classes=("open",))
    alone = rent_as(bank, name="alone")
    admit_pass(holder="test", now=NOW)
    rent_as(factory, name="other")
    rent_as(bank, name="second")
    admit_pass(holder="test", now=NOW)
    assert states() == {"alone": "provisioning", "second": "provisioning", "other": "queued"}
    with as_actor(STAFF):
        assert set(Allocation.objects.values_list("is_node_dedicated", flat=True)) == {True}
        waiting = PlacementDecision.objects.get(outcome="waiting")
        assert waiting.candidates[0]["rejection"] == "node_not_for_this_organization_alone"
        assert waiting.reason == "WaitingForCapacity"
        placed = PlacementDecision.objects.filter(outcome="placed").first()
        assert placed is not None
        assert placed.inputs["needs_dedicated_node"] is True
    later = NOW + timedelta(minutes=1)
    for instance in (alone, _second(bank)):
        with as_actor(STAFF):
            begin_stopping(instance_id=instance.id, attempt=1, reason=Reason.COMPLETED, occurred_at=later, now=later)
        with as_actor(STAFF):
            record_gone(instance_id=instance.id, attempt=1, now=later)
    see_clusters(now=later)
    admit_pass(holder="test", now=later)
    assert states()["other"] == "provisioning"


def _second(bank: Renter) -> Instance:
    with as_actor(bank.actor):
        return Instance.objects.get(name="second")


def test_a_node_with_others_on_it_cannot_be_had_alone(bank: Renter) -> None:
    factory = add_renter(number="6068100016", name="다솜정밀", data_classes=("open",))
    rent_as(factory, name="other")
    admit_pass(holder="test", now=NOW)
    rent_as(bank, name="alone")
    admit_pass(holder="test", now=NOW)
    assert states() == {"other": "provisioning", "alone": "queued"}

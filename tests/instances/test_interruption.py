"""Interruptible instances give way with notice, queue again by themselves, and are never interrupted for nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.prices import PriceDraft, publish
from marketplace.instances.models import Instance, Transition
from marketplace.instances.operations import interrupt_due, record_gone, record_started
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.admit.interrupting import NOTICE
from marketplace.journeys.rent import rent
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import Notice
from marketplace.quotas.models import Quota
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as, request_of, see_clusters

SOON = NOW + timedelta(seconds=60)
CALLED = SOON + NOTICE


@pytest.fixture
def renter(db: None) -> Renter:
    """A bank on eight H200s that are also sold interruptibly."""
    del db
    market = build_market()
    with as_actor(STAFF):
        draft = PriceDraft(offer_id=market.offer.id, price_micros=2_700_000_000, plan="interruptible")
        publish(actor=STAFF, draft=draft, effective_from=NOW, now=NOW)
    return add_renter(quota=64)


def run_cheaply(renter: Renter, *, devices: int = 8) -> Instance:
    """An interruptible instance that runs."""
    with as_actor(renter.actor):
        asked = replace(request_of(renter, devices=devices, name=f"cheap-{devices}"), plan="interruptible")
        instance = rent(actor=renter.actor, request=asked, now=NOW)
    admit_pass(holder="test", now=NOW)
    with as_actor(STAFF):
        assert record_started(instance_id=instance.id, attempt=1, started_at=NOW, reported_at=NOW, now=NOW)
    return fresh(instance)


def fresh(instance: Instance) -> Instance:
    """As it stands in the database."""
    with as_actor(STAFF):
        return Instance.objects.get(id=instance.id)


def look(*, at_s: int = 60) -> None:
    """One pass of the admitter."""
    now = NOW + timedelta(seconds=at_s)
    see_clusters(now=now)
    admit_pass(holder="test", now=now)


def test_it_is_told_first_then_gives_way_and_queues_again(renter: Renter) -> None:
    """The meter ends with the notice, the sure request gets the devices, quota stays held."""
    cheap = run_cheaply(renter)
    assert cheap.is_interruptible
    sure = rent_as(renter, now=SOON, devices=4)
    look()
    told = fresh(cheap)
    assert (told.state, told.interrupt_at) == ("running", CALLED)
    with as_actor(STAFF):
        assert Notice.objects.get(resolved_at__isnull=True).facts["interrupt_at"] == "2026-11-24 12:03:00"
        assert interrupt_due(now=CALLED - timedelta(seconds=1)) == 0
        assert [interrupt_due(now=CALLED + timedelta(seconds=3)) for _again in range(2)] == [1, 0]
        move = Transition.objects.get(instance=cheap, to_state="stopping")
    assert (move.reason, move.occurred_at) == ("interrupted", CALLED)
    with as_actor(STAFF):
        record_gone(instance_id=cheap.id, attempt=1, now=CALLED + timedelta(seconds=5))
    look(at_s=190)
    again = fresh(cheap)
    assert (fresh(sure).state, again.state, again.interrupt_at) == ("provisioning", "queued", None)
    assert "Interruption" not in again.conditions
    with as_actor(STAFF):
        assert not Notice.objects.filter(resolved_at__isnull=True).exists()
        assert Quota.objects.get().used == 12


def test_only_as_many_as_needed_are_interrupted_and_only_once(renter: Renter) -> None:
    small, large = run_cheaply(renter, devices=2), run_cheaply(renter, devices=6)
    rent_as(renter, now=SOON, devices=2)
    for at_s in (60, 61, 62):
        look(at_s=at_s)
    assert (fresh(small).interrupt_at, fresh(large).interrupt_at) == (CALLED, None)


def test_nobody_is_interrupted_for_another_who_may_be_or_when_it_does_not_help(renter: Renter) -> None:
    cheap = run_cheaply(renter, devices=4)
    rent_as(renter, devices=4, now=NOW)
    look(at_s=1)
    with as_actor(renter.actor):
        asked = replace(request_of(renter, devices=4, name="also-cheap"), plan="interruptible")
        rent(actor=renter.actor, request=asked, now=SOON)
    rent_as(renter, now=SOON, devices=8)
    look()
    assert fresh(cheap).interrupt_at is None

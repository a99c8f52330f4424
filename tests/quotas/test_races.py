"""Exactly as many as the limit allows, whatever happens at once; real commits, real threads."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import connection

from marketplace.instances.models import Allocation, Instance
from marketplace.instances.operations import InvalidState, give_up_waiting
from marketplace.instances.states import Action, Reason
from marketplace.inventory.models import NodeStock
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.stop import request_action
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor
from marketplace.quotas.models import Quota, QuotaHold, ScopeKind, SelectorKind
from marketplace.quotas.operations import BelowUse, QuotaExceeded, set_quota
from tests.market import STAFF, Renter, add_renter, build_market, rent_as

pytestmark = pytest.mark.committing


def in_threads(count: int, act: Callable[[int], None]) -> None:
    """Run `act` for each index, 16 at a time, each thread with a connection of its own."""

    def run(index: int) -> None:
        try:
            act(index)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(run, range(count)))


def held(renter: Renter) -> tuple[int, int]:
    """What the quota row says, and what its live holds sum to."""
    with as_actor(STAFF):
        quota = Quota.objects.get(tenant_id=renter.tenant.id)
        holds = sum(QuotaHold.objects.filter(quota=quota, released_at__isnull=True).values_list("amount", flat=True))
    return quota.used, holds


def test_two_hundred_at_once_against_a_quota_of_ten() -> None:
    """Ten are accepted, 190 refused, and the counter says ten."""
    build_market(now=clock.now())
    renter = add_renter(quota=10, now=clock.now())
    refused: list[int] = []

    def ask(index: int) -> None:
        try:
            rent_as(renter, devices=1, now=clock.now())
        except QuotaExceeded:
            refused.append(index)

    in_threads(200, ask)
    assert len(refused) == 190
    assert held(renter) == (10, 10)
    with as_actor(STAFF):
        assert Instance.objects.count() == 10


def test_edits_ends_and_requests_at_once_never_over_grant() -> None:
    """The limit moves between 3 and 10 while instances come and go: use always equals the live holds, and never passes 10."""
    build_market(now=clock.now())
    renter = add_renter(quota=10, now=clock.now())
    seen: list[tuple[int, int]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(held(renter))
        connection.close()

    watcher = threading.Thread(target=watch)
    watcher.start()

    def act(index: int) -> None:
        if index % 10 == 0:
            with as_actor(STAFF):
                set_quota(
                    actor=STAFF, tenant_id=renter.tenant.id, scope_kind=ScopeKind.TENANT, scope_id=renter.tenant.id,
                    selector_kind=SelectorKind.ANY, selector="", limit=3 + index % 8, below_use=BelowUse.KEEP,
                    now=clock.now(),
                )  # fmt: skip
            return
        try:
            instance = rent_as(renter, devices=1, now=clock.now())
        except QuotaExceeded:
            return
        if index % 3:
            with as_actor(renter.actor):
                request_action(actor=renter.actor, instance_id=instance.id, action=Action.END, now=clock.now())

    in_threads(120, act)
    done.set()
    watcher.join()
    assert max(used for used, _holds in seen) <= 10
    used, holds = held(renter)
    assert used == holds
    with as_actor(STAFF):
        assert used == Instance.objects.filter(state="queued").count()


def test_fifty_tenants_race_for_the_last_device() -> None:
    """Two admitters at once, one device: one allocation, whatever the order."""
    build_market(devices=1, now=clock.now())
    renters = [add_renter(name=f"은행 {index}", quota=1, now=clock.now()) for index in range(50)]

    def ask(index: int) -> None:
        rent_as(renters[index], devices=1, now=clock.now())

    def admit(index: int) -> None:
        admit_pass(holder=f"admitter-{index}", now=clock.now())

    in_threads(50, ask)
    in_threads(8, admit)
    with as_actor(STAFF):
        assert Allocation.objects.filter(released_at__isnull=True).count() == 1
        stock = NodeStock.objects.get()
        assert (stock.allocated_devices, stock.free_devices) == (1, 0)
        assert Instance.objects.filter(state="provisioning").count() == 1
        assert Instance.objects.filter(state="queued").count() == 49


def test_an_end_and_an_expiry_at_once_give_quota_back_once() -> None:
    """Both paths lead out of the queue; one wins, and the counter is right."""
    build_market(now=clock.now())
    renter = add_renter(quota=10, now=clock.now())
    instances = [rent_as(renter, devices=1, now=clock.now()) for _ in range(10)]

    def act(index: int) -> None:
        instance = instances[index // 2]
        if index % 2:
            with as_actor(STAFF):
                give_up_waiting(instance_id=instance.id, reason=Reason.MAX_WAIT_REACHED, now=clock.now())
            return
        with suppress(InvalidState), as_actor(renter.actor):
            request_action(actor=renter.actor, instance_id=instance.id, action=Action.END, now=clock.now())

    in_threads(20, act)
    assert held(renter) == (0, 0)
    with as_actor(STAFF):
        assert set(Instance.objects.values_list("state", flat=True)) == {"ended"}

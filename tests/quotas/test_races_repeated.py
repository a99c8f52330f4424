"""The acceptance races, twenty times each, with edits of the limit going on; real commits, real threads."""

import pytest

from marketplace.instances.models import Allocation, Instance
from marketplace.journeys.admit import admit_pass
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor
from marketplace.quotas.models import ScopeKind, SelectorKind
from marketplace.quotas.operations import BelowUse, QuotaExceeded, find_drift, set_quota
from tests.market import STAFF, Renter, add_renter, build_market, rent_as
from tests.quotas.test_races import held, in_threads

pytestmark = [pytest.mark.committing, pytest.mark.long, pytest.mark.timeout(900)]

TIMES = 20


def set_limit(renter: Renter, limit: int, *, selector: str = "") -> None:
    """The tenant's limit, on any devices or on a kind."""
    kind = SelectorKind.KIND if selector else SelectorKind.ANY
    with as_actor(STAFF):
        set_quota(
            actor=STAFF, tenant_id=renter.tenant.id, scope_kind=ScopeKind.TENANT, scope_id=renter.tenant.id,
            selector_kind=kind, selector=selector, limit=limit, below_use=BelowUse.KEEP, now=clock.now(),
        )  # fmt: skip


@pytest.mark.parametrize("time", range(TIMES))
def test_two_hundred_creates_against_ten_are_exactly_ten(time: int) -> None:
    """While limits of 10 are set again, and one of a kind is set for the first time in the middle."""
    build_market(now=clock.now())
    renter = add_renter(quota=10, now=clock.now())
    accepted: list[int] = []

    def act(index: int) -> None:
        if index % 20 == 0:
            set_limit(renter, 10)
        elif index == 101:
            set_limit(renter, 10, selector="gpu")
        try:
            rent_as(renter, devices=1, now=clock.now())
        except QuotaExceeded:
            return
        accepted.append(index)

    in_threads(200, act)
    assert len(accepted) == 10
    with as_actor(STAFF):
        assert Instance.objects.count() == 10
        assert list(find_drift(tenant_id=renter.tenant.id)) == []


@pytest.mark.parametrize("time", range(TIMES))
def test_fifty_tenants_for_the_last_device_are_exactly_one(time: int) -> None:
    """Two admitters, and every tenant's limit edited meanwhile."""
    build_market(devices=1, now=clock.now())
    renters = [add_renter(name=f"은행 {index}", quota=1, now=clock.now()) for index in range(50)]

    def act(index: int) -> None:
        if index % 3 == 0:
            set_limit(renters[index // 3], 1 + index % 2)
        elif index % 3 == 1:
            rent_as(renters[index // 3], devices=1, now=clock.now())
        else:
            admit_pass(holder=f"admitter-{index % 2}", now=clock.now())

    in_threads(150, act)
    admit_pass(holder="admitter-0", now=clock.now())
    with as_actor(STAFF):
        assert Allocation.objects.filter(released_at__isnull=True).count() == 1
        assert Instance.objects.filter(state="queued").count() == 49
    assert [held_by for held_by in map(held, renters) if held_by != (1, 1)] == []

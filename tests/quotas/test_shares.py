"""Shares of sectors and the platform: counted by the admitter, told with their numbers, safe against edits."""

import threading
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from marketplace.instances.models import Allocation, Instance, PlacementDecision
from marketplace.instances.operations import record_gone
from marketplace.instances.states import Action
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.diagnose import diagnose
from marketplace.journeys.stop import request_action
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry, Notice
from marketplace.quotas.models import Enforcement, Meter, ScopeKind, SelectorKind, Share, ShareScope
from marketplace.quotas.operations import (
    BelowUse,
    QuotaAboveParent,
    QuotaBelowUse,
    QuotaInvalid,
    QuotaPeriodInvalid,
    ShareEdit,
    revoke_share,
    set_quota,
    set_share,
)
from marketplace.scheduling.shares import ShareBook, ShareLimit
from tests.market import NOW, STAFF, Renter, add_renter, add_stock, build_market, rent_as, see_clusters
from tests.quotas.test_races import in_threads

DAY = timedelta(days=1)


def share(limit: int, **changes: Any) -> Share:
    """By default the finance sector's, on any devices."""
    values: dict[str, Any] = {
        "scope_kind": ShareScope.SECTOR, "sector": "finance", "selector_kind": SelectorKind.ANY, "selector": "",
        "meter": Meter.DEVICES,
    }  # fmt: skip
    now = changes.pop("now", NOW)
    with as_actor(STAFF):
        return set_share(actor=STAFF, edit=ShareEdit(**{**values, **changes}, limit=limit), reason="test", now=now)


def admit(now: Any = NOW) -> int:
    """One pass."""
    return admit_pass(holder="test", now=now).placed


@pytest.fixture
def bank(request: pytest.FixtureRequest) -> Renter:
    """A bank without limits beside eight free devices."""
    request.getfixturevalue("db")
    build_market()
    return add_renter(quota=None)


def test_a_request_beyond_the_sectors_share_waits_and_says_so(bank: Renter) -> None:
    """Three of four devices used: two more wait, with the numbers; one more is placed."""
    share(4)
    first = rent_as(bank, devices=3, name="a", now=NOW - timedelta(seconds=1))
    second = rent_as(bank, devices=2, name="b")
    assert admit() == 1
    with as_actor(bank.actor):
        told = diagnose(actor=bank.actor, instance_id=second.id).findings[0]
    assert told.code == "SectorShareExhausted"
    assert {name: told.facts[name] for name in ("sector", "selector", "limit", "used", "asked")} == {
        "sector": "finance", "selector": "any", "limit": 4, "used": 3, "asked": 2,
    }  # fmt: skip
    with as_actor(bank.actor), translation.override("en"):
        message = diagnose(actor=bank.actor, instance_id=second.id).findings[0].message
    assert message == (
        "The share of the sector Finance for all accelerators is 4 devices; 3 are in use and 2 were asked for."
    )
    with as_actor(STAFF):
        assert PlacementDecision.objects.get(instance=second).reason == "SectorShareExhausted"
    rent_as(bank, devices=1, name="c")
    assert admit() == 1
    end(bank, first)
    assert admit() == 1


def end(renter: Renter, instance: Instance) -> None:
    """Ended, and gone."""
    with as_actor(renter.actor):
        request_action(actor=renter.actor, instance_id=instance.id, action=Action.END, now=NOW)
    with as_actor(STAFF):
        record_gone(instance_id=instance.id, attempt=1, now=NOW)


def test_another_sector_is_not_held_back(bank: Renter) -> None:
    """And the platform's share holds both."""
    from marketplace.tenants.models import Tenant  # noqa: PLC0415 - one query

    share(2)
    share(5, scope_kind=ShareScope.PLATFORM, sector="")
    public = add_renter(number="6068100016", name="공단", quota=None)
    with as_actor(STAFF):
        Tenant.objects.filter(id=public.tenant.id).update(sector="public")
    for renter in (bank, bank, public, public):
        rent_as(renter, devices=2)
    assert admit() == 2
    with as_actor(STAFF):
        held = dict(Instance.objects.filter(state="queued").values_list("tenant_id", "conditions"))
    reasons = {tenant: row["CapacityAllocated"]["reason"] for tenant, row in held.items()}
    assert reasons == {bank.tenant.id: "SectorShareExhausted", public.tenant.id: "PlatformShareExhausted"}


def test_a_share_of_one_kind_leaves_the_others_alone(bank: Renter) -> None:
    share(0, selector_kind=SelectorKind.KIND, selector="npu")
    share(1, meter=Meter.INSTANCES)
    rent_as(bank, devices=1)
    rent_as(bank, devices=1)
    assert admit() == 1


def test_a_share_for_a_period_replaces_the_permanent_one(bank: Renter) -> None:
    share(0)
    share(4, effective_from=NOW + DAY, effective_to=NOW + 2 * DAY)
    with pytest.raises(QuotaPeriodInvalid):
        share(5, effective_from=NOW + DAY, effective_to=NOW + 3 * DAY)
    rent_as(bank, devices=2)
    assert admit() == 0
    see_clusters(now=NOW + DAY)
    assert admit(NOW + DAY) == 1


def test_a_share_that_warns_lets_pass_and_tells_operators(bank: Renter) -> None:
    soft = share(1, enforcement=Enforcement.WARN)
    instance = rent_as(bank, devices=2)
    assert admit() == 1
    with as_actor(STAFF):
        notice = Notice.objects.get()
    assert (notice.code, notice.tenant_id, notice.object_id) == ("quota.share_over_limit", None, soft.id)
    end(bank, instance)
    rent_as(bank, devices=1)
    assert admit() == 1
    with as_actor(STAFF):
        assert Notice.objects.get().resolved_at == NOW


def test_what_cannot_be_a_share_is_refused_and_nothing_is_written(bank: Renter) -> None:
    with as_actor(STAFF):
        set_quota(
            actor=STAFF, tenant_id=bank.tenant.id, scope_kind=ScopeKind.TENANT, scope_id=bank.tenant.id,
            selector_kind=SelectorKind.ANY, selector="", limit=6, now=NOW,
        )  # fmt: skip
        entries = AuditEntry.objects.count()
    refusals: list[tuple[int, dict[str, Any], type[Exception]]] = [
        (-1, {}, QuotaInvalid),
        (5, {}, QuotaAboveParent),
        (8, {"sector": ""}, QuotaInvalid),
        (8, {"sector": "mars"}, QuotaInvalid),
        (8, {"scope_kind": ShareScope.PLATFORM}, QuotaInvalid),
        (8, {"selector_kind": SelectorKind.ACCELERATOR, "selector": "x"}, QuotaInvalid),
        (8, {"meter": Meter.STORAGE_GIB}, QuotaInvalid),
        (8, {"overcommit_percent": 99}, QuotaInvalid),
        (8, {"used": 9}, QuotaBelowUse),
        (8, {"effective_from": NOW + DAY, "effective_to": NOW}, QuotaPeriodInvalid),
    ]
    for limit, changes, error in refusals:
        with pytest.raises(error):
            share(limit, **changes)
    with as_actor(STAFF):
        assert not Share.objects.exists()
        assert AuditEntry.objects.count() == entries
    share(8, used=9, below_use=BelowUse.KEEP)
    with pytest.raises(QuotaAboveParent), as_actor(STAFF):
        set_quota(
            actor=STAFF, tenant_id=bank.tenant.id, scope_kind=ScopeKind.TENANT, scope_id=bank.tenant.id,
            selector_kind=SelectorKind.KIND, selector="gpu", limit=9, now=NOW,
        )  # fmt: skip


def test_a_revoked_share_holds_nobody_back(bank: Renter) -> None:
    stored = share(0)
    rent_as(bank, devices=2)
    assert admit() == 0
    with as_actor(STAFF):
        revoke_share(actor=STAFF, share_id=stored.id, reason="over", now=NOW)
        revoke_share(actor=STAFF, share_id=stored.id, reason="over", now=NOW)
        assert AuditEntry.objects.filter(action="share.revoked").count() == 1
    assert admit() == 1


def watch(seen: list[tuple[int, int]], done: threading.Event) -> None:
    """What is allocated and the share, as one snapshot shows both, again and again."""
    while not done.is_set():
        with as_actor(STAFF), connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT coalesce(sum(devices), 0) FROM instances_allocation WHERE released_at IS NULL),"
                ' (SELECT max("limit") FROM quotas_share)'
            )
            seen.append(cursor.fetchone())
    connection.close()


@pytest.mark.committing
def test_admitters_and_edits_at_once_never_pass_the_share() -> None:
    """Ten tenants, two admitters, a share that moves between 3 and 9: no commit raises use above the share it saw."""
    market = build_market(now=clock.now())
    for number in range(2, 6):
        add_stock(market, name=f"node-{number}", now=clock.now())
    renters = [add_renter(name=f"은행 {index}", quota=None, now=clock.now()) for index in range(10)]
    share(9, now=clock.now())
    seen: list[tuple[int, int]] = []
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(seen, done))
    watcher.start()

    def act(index: int) -> None:
        if index % 5 == 0:
            share(3 + index % 7, used=None, now=clock.now())
        elif index % 5 == 1:
            admit_pass(holder=f"admitter-{index % 2}", now=clock.now())
        else:
            rent_as(renters[index % 10], devices=1, now=clock.now())

    in_threads(60, act)
    share(9, now=clock.now())
    later = clock.now() + timedelta(minutes=1)
    see_clusters(now=later)
    for _round in range(3):
        admit_pass(holder="admitter-0", now=later)
    done.set()
    watcher.join()
    rises = [(used, limit) for (before, _), (used, limit) in pairwise(seen) if used > before]
    assert rises
    assert [(used, limit) for used, limit in rises if used > 9] == []
    with as_actor(STAFF):
        assert sum(Allocation.objects.filter(released_at__isnull=True).values_list("devices", flat=True)) == 9


@given(
    limit=st.integers(0, 12),
    more=st.integers(0, 12),
    taken=st.lists(st.tuples(st.sampled_from(["finance", "public"]), st.sampled_from(["a", "b"]), st.integers(1, 4))),
    asked=st.integers(1, 6),
)
def test_more_share_never_makes_a_request_impossible(
    limit: int, more: int, taken: list[tuple[str, str, int]], asked: int
) -> None:
    def exhausted(amount: int) -> set[str]:
        limits = [
            ShareLimit(share_id=ids.new_id(), sector="finance", limit=amount),
            ShareLimit(share_id=ids.new_id(), sector="", kind="gpu", limit=amount + 2),
        ]
        book = ShareBook(limits=limits, used={}, kinds={"a": "gpu", "b": "npu"})
        for sector, accelerator, devices in taken:
            book.take(sector=sector, accelerator=accelerator, devices=devices)
        return set(book.find_exhausted(sector="finance", accelerators=["a", "b"], devices=asked))

    assert exhausted(limit + more) <= exhausted(limit)

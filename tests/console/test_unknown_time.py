"""The page of unknown time: what is open and at stake, what a statement would decide, recording and withdrawing it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from billing.metering import list_expired_unknown, list_unmetered, meter_instance
from billing.metering.outages import apply_outage, list_unapplied
from billing.metering.statements import list_open_unknown, preview_statement, sum_by_cluster
from billing.models import Charge, UsageInterval
from marketplace.instances.models import Instance
from marketplace.inventory.models import Outage, OutageKind
from marketplace.inventory.outages import record_silences
from marketplace.inventory.stock import record_seen
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry
from tests.market import NOW, STAFF, SmallMarket, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db
SEEN = NOW + timedelta(minutes=20)
LATER = NOW + timedelta(minutes=80)


@pytest.fixture
def silent(time_machine: Any) -> tuple[SmallMarket, Instance]:
    """Two devices running since noon at ₩5,400; the cluster was last heard at 12:20, and it is 13:20."""
    market, renter = build_market(), add_renter()
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    with as_actor(STAFF):
        record_seen(cluster_id=market.cluster.id, version="", now=SEEN)
        record_silences(now=LATER, silence=timedelta(seconds=30))
    look()
    time_machine.move_to(LATER, tick=False)
    return market, instance


def look() -> None:
    """What the sweep does."""
    with as_actor(STAFF):
        outages = list_unapplied()
    for outage_id in outages:
        apply_outage(actor=STAFF, outage_id=outage_id, now=LATER)
    with as_actor(STAFF):
        for instance_id in [*list_unmetered(), *list_expired_unknown(now=LATER)]:
            meter_instance(instance_id=instance_id, now=LATER)


def form_of(market: SmallMarket, **changes: str) -> dict[str, str]:
    """The provider states that it was down from 12:30 to 13:00, Korean time."""
    return {
        "cluster": ids.format_id(prefix="clu", value=market.cluster.id),
        "kind": "site_outage",
        "started_at": "2026-11-24T12:30",
        "ended_at": "2026-11-24T13:00",
        "statement": "공문 2026-1124",
        **changes,
    }


def test_open_unknown_time_says_what_is_at_stake_and_until_when(silent: tuple[SmallMarket, Instance]) -> None:
    """An hour of two devices: 7,200 device-seconds, ₩10,800, excused on 5 December in Seoul."""
    market, instance = silent
    with as_actor(STAFF):
        (found,) = list_open_unknown(now=LATER)
        (total,) = sum_by_cluster([found])
    assert (found.interval.instance_id, found.cluster, found.seconds, found.won) == (
        instance.id, market.cluster, 7_200, 10_800,
    )  # fmt: skip
    assert found.excused_at.isoformat() == "2026-12-05T00:00:00+09:00"
    assert (total.instances, total.seconds, total.won, total.since) == ({instance.id}, 7_200, 10_800, SEEN)


@pytest.mark.parametrize(
    ("kind", "metered", "excused", "unknown", "won"),
    [
        # Down 12:30–13:00 of 12:20–13:20: thirty minutes of two devices are excused, nothing more is charged.
        (OutageKind.SITE_OUTAGE, (2_400, 2_400), (0, 3_600), (7_200, 3_600), 0),
        (OutageKind.STATED_UP, (2_400, 6_000), (0, 0), (7_200, 3_600), 5_400),
    ],
)
def test_a_preview_says_what_recording_then_does(
    silent: tuple[SmallMarket, Instance],
    kind: OutageKind,
    metered: tuple[int, int],
    excused: tuple[int, int],
    unknown: tuple[int, int],
    won: int,
) -> None:
    """Nothing is written by looking; what was shown is what stands afterwards."""
    market, instance = silent
    stated: dict[str, Any] = {
        "kind": kind, "cluster_id": market.cluster.id, "started_at": NOW + timedelta(minutes=30),
        "ended_at": NOW + timedelta(minutes=60),
    }  # fmt: skip
    with as_actor(STAFF):
        before = list(UsageInterval.objects.order_by("id").values())
        (change,) = preview_statement(**stated, now=LATER)
        assert list(UsageInterval.objects.order_by("id").values()) == before
    assert change.instance == instance
    pairs = [(getattr(change.before, name), getattr(change.after, name)) for name in ("metered", "excused", "unknown")]
    assert pairs == [metered, excused, unknown]
    assert change.won == won
    with as_actor(STAFF):
        from marketplace.inventory.outages import record_statement  # noqa: PLC0415 - beside its one use

        record_statement(actor=STAFF, statement="공문", now=LATER, **stated)
    look()
    assert seconds_by_kind(instance) == {
        name: after for name, (_before, after) in zip(("metered", "excused", "unknown"), pairs, strict=True) if after
    }
    with as_actor(STAFF):
        assert preview_statement(**stated, now=LATER) == []


def seconds_by_kind(instance: Instance) -> dict[str, int]:
    """Device-seconds that stand, up to `LATER`."""
    found: dict[str, int] = {}
    with as_actor(STAFF):
        for row in UsageInterval.objects.filter(instance=instance, superseded_by__isnull=True):
            seconds = int(((row.ended_at or LATER) - row.started_at) / timedelta(seconds=1)) * row.quantity
            found[row.kind] = found.get(row.kind, 0) + seconds
    return found


def test_a_statement_is_looked_at_recorded_and_withdrawn_on_the_page(
    silent: tuple[SmallMarket, Instance], console: Client, time_machine: Any
) -> None:
    """With document, reason, audit entries and the charge that follows, and then its correction."""
    market, instance = silent
    time_machine.move_to(LATER, tick=False)
    page = console.get("/pages/unknown-time").content.decode()
    assert "₩10,800" in page
    assert "7,200" in page
    form = form_of(market, kind="stated_up")
    shown = console.post("/pages/unknown-time/preview", form).content.decode()
    assert "1 instance changes." in shown
    assert "₩5,400" in shown
    with as_actor(STAFF):
        assert not Outage.objects.filter(kind="stated_up").exists()
    seal = re.search(r'name="seal" value="([^"]+)"', shown)
    assert seal is not None
    record = {"seal": seal[1], "reason": "asked by letter"}
    assert console.post("/pages/unknown-time/statements", {**record, "reason": ""}).status_code == 422
    assert console.post("/pages/unknown-time/statements", record).status_code == 302
    with as_actor(STAFF):
        outage = Outage.objects.get(kind="stated_up")
        entry = AuditEntry.objects.get(action="outage.stated")
    assert (outage.started_at, outage.ended_at) == (NOW + timedelta(minutes=30), NOW + timedelta(minutes=60))
    assert (outage.evidence, entry.reason) == ({"statement": "공문 2026-1124"}, "asked by letter")
    look()
    assert seconds_by_kind(instance) == {"metered": 6_000, "unknown": 3_600}
    url = f"/pages/unknown-time/statements/{ids.format_id(prefix='out', value=outage.id)}/withdraw"
    assert console.post(url, {"reason": "signed by nobody"}).status_code == 302
    look()
    assert seconds_by_kind(instance) == {"metered": 2_400, "unknown": 7_200}
    with as_actor(STAFF):
        assert sum(Charge.objects.values_list("device_seconds", flat=True)) == 2_400
    assert "signed by nobody" not in console.get("/pages/unknown-time").content.decode()
    assert "Withdrawn" in console.get("/pages/unknown-time").content.decode()


@pytest.mark.parametrize(
    ("member", "value", "status"),
    [
        ("kind", "node_lost", 422),
        ("started_at", "soon", 422),
        ("ended_at", "2026-11-24T12:29", 422),
        ("ended_at", "2026-11-24T13:21", 422),
        ("statement", "", 422),
        ("cluster", "clu_x", 404),
    ],
)
def test_what_cannot_be_a_statement_is_refused_and_nothing_is_kept(
    silent: tuple[SmallMarket, Instance], console: Client, time_machine: Any, member: str, value: str, status: int
) -> None:
    """Before it is looked at, and a forged seal is none."""
    time_machine.move_to(LATER, tick=False)
    form = form_of(silent[0], **{member: value})
    assert console.post("/pages/unknown-time/preview", form).status_code == status
    assert console.post("/pages/unknown-time/statements", {"seal": "x", "reason": "y"}).status_code == 422
    with as_actor(STAFF):
        assert not Outage.objects.filter(kind__in=["site_outage", "stated_up"]).exists()

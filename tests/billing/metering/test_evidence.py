"""Evidence → usage and money in the database: in every order, twice, late, and after the month was closed."""

import itertools
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db.models import Sum

from billing.costs import read_running_cost
from billing.metering import list_expired_unknown, list_unmetered, meter_instance
from billing.metering.outages import apply_outage, list_unapplied
from billing.models import Charge, UsageInterval
from billing.month_close import close_month
from marketplace.instances.models import Instance
from marketplace.instances.operations import SeenRun, begin_stopping, record_seen_again
from marketplace.instances.states import Reason
from marketplace.inventory.models import Outage, OutageKind
from marketplace.inventory.outages import (
    StatementInvalid,
    record_answer,
    record_clock_skew,
    record_node_ready,
    record_node_trouble,
    record_relisted,
    record_silences,
    record_statement,
    withdraw_statement,
)
from marketplace.inventory.stock import record_seen
from marketplace.kernel.actors import as_actor
from marketplace.kernel.notices import list_open_for_operators
from tests.market import NOW, STAFF, Renter, SmallMarket, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db

SILENCE = timedelta(seconds=30)


def at(minutes: float) -> datetime:
    """Minutes after the start."""
    return NOW + timedelta(minutes=minutes)


def running() -> tuple[SmallMarket, Renter, Instance]:
    """An instance with two devices, running since NOW."""
    market, renter = build_market(), add_renter()
    return market, renter, run_instance(renter, started_at=NOW, ended_at=None)


def look(*, now: datetime) -> None:
    """What the sweep does."""
    with as_actor(STAFF):
        outages = list_unapplied()
    for outage_id in outages:
        apply_outage(actor=STAFF, outage_id=outage_id, now=now)
    with as_actor(STAFF):
        for instance_id in [*list_unmetered(), *list_expired_unknown(now=now)]:
            meter_instance(instance_id=instance_id, now=now)


def standing(instance: Instance) -> list[tuple[str, str, float, float | None]]:
    """What stands: kind, reason, minutes."""
    with as_actor(STAFF):
        rows = UsageInterval.objects.filter(instance=instance, superseded_by__isnull=True).order_by("started_at")
        return [
            (row.kind, row.reason, minutes(row.started_at), None if row.ended_at is None else minutes(row.ended_at))
            for row in rows
        ]


def minutes(instant: datetime) -> float:
    """After the start."""
    return (instant - NOW) / timedelta(minutes=1)


def charged_seconds() -> int:
    """Device-seconds over all charges and corrections."""
    with as_actor(STAFF):
        return Charge.objects.aggregate(sum=Sum("device_seconds"))["sum"] or 0


def go_silent(market: SmallMarket, *, last: float, now: float) -> None:
    """The cluster last answered at `last`; at `now` that is noticed."""
    with as_actor(STAFF):
        record_seen(cluster_id=market.cluster.id, version="", now=at(last))
        assert record_silences(now=at(now), silence=SILENCE) == 1
        assert record_silences(now=at(now), silence=SILENCE) == 0


def come_back(market: SmallMarket, *, now: float) -> None:
    """The cluster answers."""
    with as_actor(STAFF):
        record_answer(cluster_id=market.cluster.id, now=at(now), silence=SILENCE)
        record_seen(cluster_id=market.cluster.id, version="", now=at(now))


def list_pods(market: SmallMarket, *instances: Instance, now: float) -> None:
    """All pods are listed; those of `instances` are there as they were."""
    with as_actor(STAFF):
        record_seen_again(
            runs=[
                SeenRun(tenant_id=row.tenant_id, instance_id=row.id, attempt=1, rank=0, running_since=None)
                for row in instances
            ],
            seen_at=at(now),
        )
        record_relisted(cluster_id=market.cluster.id, at=at(now))


def test_silence_is_unknown_alarms_and_is_metered_when_the_pod_returns() -> None:
    """Unknown time costs nothing and is not lost either; the alarm ends with its cause."""
    market, renter, instance = running()
    go_silent(market, last=20, now=25)
    look(now=at(25))
    assert standing(instance) == [("metered", "", 0, 20), ("unknown", "cluster_silent", 20, None)]
    with as_actor(renter.actor):
        cost = read_running_cost(actor=renter.actor, instance=instance, now=at(26))
    assert (cost.device_seconds, cost.numerator_per_second) == (2 * 20 * 60, 0)
    assert charged_seconds() == 2 * 20 * 60
    with as_actor(STAFF):
        assert [notice.code for notice in list_open_for_operators()] == ["usage.unknown"]
    come_back(market, now=30)
    look(now=at(30))
    assert standing(instance)[1:] == [("unknown", "cluster_silent", 20, 30), ("metered", "", 30, None)]
    list_pods(market, instance, now=31)
    look(now=at(31))
    assert [row[0] for row in standing(instance)] == ["metered"] * 3
    assert charged_seconds() == 2 * 30 * 60
    with as_actor(STAFF):
        assert list(list_open_for_operators()) == []
        assert list_unapplied() == []


def test_a_pod_that_does_not_return_is_excused_from_its_last_sighting() -> None:
    """Twenty minutes are paid for, whatever the silence was."""
    market, _renter, instance = running()
    go_silent(market, last=20, now=25)
    look(now=at(25))
    come_back(market, now=30)
    list_pods(market, now=31)
    with as_actor(STAFF):
        begin_stopping(instance_id=instance.id, attempt=1, reason=Reason.POD_LOST, occurred_at=at(20), now=at(31))
    look(now=at(32))
    assert standing(instance) == [
        ("metered", "", 0, 20), ("excused", "pod_vanished", 20, 31)]  # fmt: skip
    assert charged_seconds() == 2 * 20 * 60


def test_a_node_that_is_not_ready_is_excused_from_its_last_lease_renewal() -> None:
    """Noticed a minute later; what was not charged yet needs no correction."""
    market, _renter, instance = running()
    look(now=at(0))
    with as_actor(STAFF):
        assert record_node_trouble(
            cluster_id=market.cluster.id, name="node-1", kind=OutageKind.NODE_NOT_READY, since=at(10), now=at(11),
            evidence={},
        )  # fmt: skip
        assert not record_node_trouble(
            cluster_id=market.cluster.id, name="node-1", kind=OutageKind.NODE_LOST, since=at(9), now=at(12), evidence={},
        )  # fmt: skip
    look(now=at(12))
    assert standing(instance) == [("metered", "", 0, 10), ("excused", "node_not_ready", 10, None)]
    with as_actor(STAFF):
        assert record_node_ready(cluster_id=market.cluster.id, name="node-1", since=at(20), now=at(21))
        assert not record_node_ready(cluster_id=market.cluster.id, name="node-1", since=at(20), now=at(22))
    look(now=at(21))
    assert standing(instance)[1:] == [("excused", "node_not_ready", 10, 20), ("metered", "", 20, None)]


def test_a_transition_time_from_before_the_trouble_does_not_end_it_then() -> None:
    """A node that keeps the time of its first readiness is ready again when it is seen to be, not from the beginning."""
    market, _renter, instance = running()
    node = market.cluster.id
    with as_actor(STAFF):
        record_node_trouble(
            cluster_id=node, name="node-1", kind=OutageKind.NODE_NOT_READY, since=at(10), now=at(11), evidence={}
        )
        assert record_node_ready(cluster_id=node, name="node-1", since=at(-60), now=at(21))
    look(now=at(22))
    assert standing(instance) == [
        ("metered", "", 0, 10),
        ("excused", "node_not_ready", 10, 21),
        ("metered", "", 21, None),
    ]


def test_a_clock_that_is_off_alarms_and_is_written_on_the_interval() -> None:
    """Five seconds are allowed; 6.5 are not."""
    market, _renter, instance = running()
    with as_actor(STAFF):
        assert record_clock_skew(cluster_id=market.cluster.id, name="node-1", skew_ms=-5_000, now=at(1)) is None
        assert record_clock_skew(cluster_id=market.cluster.id, name="node-1", skew_ms=6_500, now=at(2)) is not None
        assert record_clock_skew(cluster_id=market.cluster.id, name="node-1", skew_ms=6_400, now=at(3)) is not None
    look(now=at(3))
    with as_actor(STAFF):
        assert [notice.code for notice in list_open_for_operators()] == ["node.clock_skew"]
        begin_stopping(
            instance_id=instance.id, attempt=1, reason=Reason.COMPLETED, occurred_at=at(9), reported_at=at(9), now=at(9)
        )
    look(now=at(9))
    with as_actor(STAFF):
        assert UsageInterval.objects.get(superseded_by__isnull=True).clock_skew_ms == 6_500
        record_clock_skew(cluster_id=market.cluster.id, name="node-1", skew_ms=10, now=at(10))
    look(now=at(10))
    with as_actor(STAFF):
        assert list(list_open_for_operators()) == []


def test_unknown_on_the_fifth_is_excused_and_later_evidence_is_an_adjustment() -> None:
    """The invoice of November is issued without it, and again with it as a second document; the first never changes."""
    market, _renter, instance = running()
    go_silent(market, last=20, now=25)
    with as_actor(STAFF):
        begin_stopping(
            instance_id=instance.id,
            attempt=1,
            reason=Reason.STOP_REQUESTED,
            occurred_at=at(30),
            now=at(30),
            trigger="customer",
        )
    look(now=at(31))
    assert standing(instance) == [("metered", "", 0, 20), ("unknown", "cluster_silent", 20, 30)]
    month = date(2026, 11, 1)
    closed = datetime(2026, 12, 2, tzinfo=UTC)
    assert [invoice.supply_won for invoice in close_month(actor=STAFF, month=month, now=closed)] == [3_600]
    fifth = datetime(2026, 12, 4, 15, 0, tzinfo=UTC)
    look(now=fifth - timedelta(seconds=1))
    assert standing(instance)[1][0] == "unknown"
    look(now=fifth)
    assert standing(instance)[1][:2] == ("excused", "unresolved")
    assert close_month(actor=STAFF, month=month, now=fifth) == []
    with as_actor(STAFF):
        outage = record_statement(
            actor=STAFF, kind=OutageKind.STATED_UP, cluster_id=market.cluster.id, started_at=NOW, ended_at=at(60),
            statement="공급사 공문 2026-1203", now=fifth + timedelta(days=1),
        )  # fmt: skip
    look(now=fifth + timedelta(days=1))
    assert standing(instance)[1] == ("metered", "", 20, 30)
    adjustment = close_month(actor=STAFF, month=month, now=fifth + timedelta(days=2))
    assert [(invoice.sequence, invoice.supply_won) for invoice in adjustment] == [(2, 1_800)]
    with as_actor(STAFF):
        withdraw_statement(actor=STAFF, outage_id=outage.id, reason="a mistake", now=fifth + timedelta(days=3))
    look(now=fifth + timedelta(days=3))
    assert standing(instance)[1][:2] == ("excused", "unresolved")
    credit = close_month(actor=STAFF, month=month, now=fifth + timedelta(days=4))
    assert [(invoice.supply_won, invoice.vat_won, invoice.total_won) for invoice in credit] == [(-1_800, -180, -1_980)]


def test_an_end_learned_after_its_month_was_closed_is_a_credit() -> None:
    """Invoiced to midnight; the pod had ended ten minutes before."""
    midnight = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
    start = midnight - timedelta(hours=1)
    build_market(now=start)
    instance = run_instance(add_renter(now=start), started_at=start, ended_at=None)
    month = date(2026, 11, 1)
    assert [row.supply_won for row in close_month(actor=STAFF, month=month, now=midnight + timedelta(minutes=1))] == [
        10_800
    ]
    with as_actor(STAFF):
        begin_stopping(
            instance_id=instance.id, attempt=1, reason=Reason.COMPLETED, occurred_at=midnight - timedelta(minutes=10),
            reported_at=midnight - timedelta(minutes=10), now=midnight + timedelta(minutes=2),
        )  # fmt: skip
    look(now=midnight + timedelta(minutes=3))
    credit = close_month(actor=STAFF, month=month, now=midnight + timedelta(minutes=4))
    assert [(row.sequence, row.supply_won, row.vat_won, row.total_won) for row in credit] == [(2, -1_800, -180, -1_980)]
    assert charged_seconds() == 2 * 50 * 60
    with as_actor(STAFF):
        assert not UsageInterval.objects.filter(ended_at__isnull=True, superseded_by__isnull=True).exists()


def test_a_statement_about_the_future_or_of_another_kind_is_refused() -> None:
    """Nothing is kept of it."""
    market = build_market()
    with as_actor(STAFF):
        for kind, end in (
            (OutageKind.SITE_OUTAGE, at(61)),
            (OutageKind.NODE_LOST, at(30)),
            (OutageKind.STATED_UP, at(-1)),
        ):
            with pytest.raises(StatementInvalid):
                record_statement(
                    actor=STAFF, kind=kind, cluster_id=market.cluster.id, started_at=at(0), ended_at=end, statement="x",
                    now=at(60),
                )  # fmt: skip
        assert not Outage.objects.exists()


def _history(market: SmallMarket, instance: Instance) -> dict[str, Callable[[], object]]:
    """A scripted history whose news may come in any order that a broken network could make."""

    def trouble() -> None:
        with as_actor(STAFF):
            record_node_trouble(
                cluster_id=market.cluster.id,
                name="node-1",
                kind=OutageKind.NODE_NOT_READY,
                since=at(5),
                now=at(60),
                evidence={},
            )
            record_node_ready(cluster_id=market.cluster.id, name="node-1", since=at(10), now=at(60))

    def silence() -> None:
        with as_actor(STAFF):
            if not Outage.objects.filter(kind=OutageKind.CLUSTER_SILENT).exists():
                record_seen(cluster_id=market.cluster.id, version="", now=at(20))
                record_answer(cluster_id=market.cluster.id, now=at(30), silence=SILENCE)
                record_relisted(cluster_id=market.cluster.id, at=at(31))

    def seen() -> None:
        with as_actor(STAFF):
            row = SeenRun(tenant_id=instance.tenant_id, instance_id=instance.id, attempt=1, rank=0, running_since=None)
            record_seen_again(runs=[row], seen_at=at(31))

    def end() -> None:
        with as_actor(STAFF):
            begin_stopping(
                instance_id=instance.id,
                attempt=1,
                reason=Reason.COMPLETED,
                occurred_at=at(50),
                reported_at=at(50),
                now=at(60),
            )

    return {"trouble": trouble, "silence": silence, "seen": seen, "end": end}


ORDERS = list(itertools.permutations(["trouble", "silence", "seen", "end"]))


@pytest.mark.parametrize(
    "order",
    [pytest.param(order, marks=[] if index % 6 == 0 else [pytest.mark.long]) for index, order in enumerate(ORDERS)],
    ids="-".join,
)
def test_the_order_and_repetition_of_news_do_not_matter(order: tuple[str, ...]) -> None:
    """All 24 orders, each piece of news twice, metered after each: the same time stands, the same seconds are charged."""
    market, _renter, instance = running()
    news = _history(market, instance)
    for name in order:
        news[name]()
        look(now=at(60))
        news[name]()
        with as_actor(STAFF):
            meter_instance(instance_id=instance.id, now=at(60))
    found: dict[tuple[str, str], float] = {}
    for kind, reason, start, end in standing(instance):
        assert end is not None
        found[kind, reason] = found.get((kind, reason), 0) + end - start
    assert found == {("metered", ""): 45, ("excused", "node_not_ready"): 5}
    assert charged_seconds() == 2 * 45 * 60

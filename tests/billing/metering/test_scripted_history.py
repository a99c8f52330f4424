"""The worked table in the database: each line's news in every order, each twice, late, and with every hint lost.

What stands must be what the table says, whatever the order, and every metered second is charged once.
"""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest
from django.db.models import Sum

from billing.metering import list_unmetered, meter_instance
from billing.metering.outages import apply_outage, list_unapplied
from billing.models import Charge, UsageInterval
from marketplace.instances.models import Instance
from marketplace.instances.operations import SeenRun, begin_stopping, record_seen_again
from marketplace.instances.states import Reason
from marketplace.inventory.models import Outage, OutageKind
from marketplace.inventory.outages import (
    close_maintenance,
    open_maintenance,
    record_answer,
    record_node_ready,
    record_node_trouble,
    record_relisted,
    record_silences,
    record_statement,
)
from marketplace.inventory.stock import record_seen
from marketplace.kernel.actors import as_actor
from tests.billing.metering.test_rules import TABLE, at, minutes_of
from tests.market import NOW, STAFF, SmallMarket, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db

SILENCE: Final = timedelta(seconds=30)
LATE: Final = 62
"""When all news has come; the table's own instants of asking lie before it, but nothing in it changes between them."""
News = Callable[[SmallMarket, Instance], object]


def trouble(kind: OutageKind, start: float, end: float | None) -> News:
    """A node's trouble from its last lease renewal on, told when all is over."""

    def tell(market: SmallMarket, _instance: Instance) -> None:
        if Outage.objects.filter(kind=kind).exists():
            return
        record_node_trouble(
            cluster_id=market.cluster.id, name="node-1", kind=kind, since=at(start), now=at(LATE), evidence={}
        )
        if end is not None:
            record_node_ready(cluster_id=market.cluster.id, name="node-1", since=at(end), now=at(LATE))

    return tell


def maintenance(start: float, end: float) -> News:
    """A window that is over."""

    def tell(market: SmallMarket, _instance: Instance) -> None:
        if not Outage.objects.filter(kind=OutageKind.MAINTENANCE).exists():
            place = {"site_id": market.site.id, "cluster_id": market.cluster.id}
            outage = open_maintenance(place=place, started_at=at(start), evidence={}, now=at(start))
            close_maintenance(outage_id=outage.id, ended_at=at(end))

    return tell


def silence(
    start: float, end: float | None, relisted: float | None = None, *, returns: bool = False, since: float | None = None
) -> News:
    """The cluster does not answer; all its pods are listed at `relisted`, in one transaction with those that are there.

    Args:
        returns: Whether the run's pod is among them; `since` where its container has started anew.
    """

    def tell(market: SmallMarket, instance: Instance) -> None:
        if Outage.objects.filter(kind=OutageKind.CLUSTER_SILENT).exists():
            return
        record_seen(cluster_id=market.cluster.id, version="", now=at(start))
        record_silences(now=at(start + 1), silence=SILENCE)
        if end is not None:
            record_answer(cluster_id=market.cluster.id, now=at(end), silence=SILENCE)
            record_seen(cluster_id=market.cluster.id, version="", now=at(end))
        if relisted is not None:
            run = SeenRun(
                tenant_id=instance.tenant_id, instance_id=instance.id, attempt=1, rank=0,
                running_since=None if since is None else at(since),
            )  # fmt: skip
            record_seen_again(runs=[run] if returns else [], seen_at=at(relisted))
            record_relisted(cluster_id=market.cluster.id, at=at(relisted))

    return tell


def ended(when: float, *, known: float) -> News:
    """The cluster tells the end with a time of its own."""

    def tell(_market: SmallMarket, instance: Instance) -> None:
        begin_stopping(
            instance_id=instance.id, attempt=1, reason=Reason.COMPLETED, occurred_at=at(when), reported_at=at(when),
            now=at(known),
        )  # fmt: skip

    return tell


def vanished(last_seen: float, *, known: float) -> News:
    """The pod is not in the list."""

    def tell(_market: SmallMarket, instance: Instance) -> None:
        begin_stopping(
            instance_id=instance.id, attempt=1, reason=Reason.POD_LOST, occurred_at=at(last_seen), now=at(known)
        )

    return tell


def stopped(when: float) -> News:
    """A stop was accepted."""

    def tell(_market: SmallMarket, instance: Instance) -> None:
        begin_stopping(
            instance_id=instance.id, attempt=1, reason=Reason.STOP_REQUESTED, occurred_at=at(when), now=at(when),
            trigger="customer",
        )  # fmt: skip

    return tell


def stated(kind: OutageKind, start: float, end: float) -> News:
    """A provider's statement."""

    def tell(market: SmallMarket, _instance: Instance) -> None:
        record_statement(
            actor=STAFF, kind=kind, cluster_id=market.cluster.id, started_at=at(start), ended_at=at(end), statement="공문",
            now=at(LATE),
        )  # fmt: skip

    return tell


NOT_READY, LOST = OutageKind.NODE_NOT_READY, OutageKind.NODE_LOST
HISTORIES: Final[dict[str, list[News]]] = {
    "runs": [],
    "ended": [ended(60, known=61)],
    "ended within its first second": [ended(0, known=1)],
    "node not ready and back": [trouble(NOT_READY, 20, 30), ended(60, known=61)],
    "node not ready, still": [trouble(NOT_READY, 20, None)],
    "node lost until the pod was evicted": [trouble(LOST, 20, None), ended(25, known=26)],
    "maintenance": [maintenance(10, 20), ended(60, known=61)],
    "site outage beside a node that is not ready: the weightier names the reason": [
        stated(OutageKind.SITE_OUTAGE, 10, 30),
        trouble(NOT_READY, 20, 40),
        ended(60, known=61),
    ],
    "cluster silent": [silence(20, None)],
    "cluster answers, pods not listed yet": [silence(20, 30)],
    "the same UID and startedAt return": [silence(20, 30, 31, returns=True)],
    "the same UID returns with a later start": [silence(20, 30, 31, returns=True, since=25)],
    "the pod does not return": [silence(20, 30, 31), vanished(20, known=31)],
    "the pod was last seen before the silence": [silence(20, 30, 31), vanished(19, known=31)],
    "the pod ended in the silence and says when": [silence(20, 30, 31), ended(25, known=31)],
    "stopped in the silence, the cluster is still silent": [silence(20, None), stopped(25)],
    "stopped in the silence, the pod was still there afterwards": [silence(20, 30, 31, returns=True), stopped(25)],
    "stopped in the silence, the pod was not there afterwards": [silence(20, 30, 31), stopped(25)],
    "the provider states that it ran": [silence(20, None), stopped(25), stated(OutageKind.STATED_UP, 0, 60)],
    "the provider states that the site was down": [silence(20, 30), stated(OutageKind.SITE_OUTAGE, 15, 30)],
    "silent beside a node that was not ready before": [trouble(NOT_READY, 15, 25), silence(20, None)],
}
"""The lines of the table that begin with a start; what never ran is in test_evidence.py and test_metering_and_close.py."""


def list_scripts() -> list[object]:
    """Every order of every history; the ordinary run plays the last one, in which what comes first is told last."""
    return [
        pytest.param(name, order, id=f"{name} {''.join(map(str, order))}", marks=() if is_last else [pytest.mark.long])
        for name, news in HISTORIES.items()
        for orders in [list(itertools.permutations(range(len(news))))]
        for order in orders
        for is_last in [order == orders[-1]]
    ]


@pytest.mark.parametrize(("name", "order"), list_scripts())
def test_what_stands_is_what_the_table_says(name: str, order: tuple[int, ...]) -> None:
    """After each piece of news it is metered, or not (a lost hint); then it comes again, and the sweep finds the rest."""
    market = build_market()
    instance = run_instance(add_renter(), started_at=NOW, ended_at=None)
    for place, index in enumerate(order):
        with as_actor(STAFF):
            HISTORIES[name][index](market, instance)
        if place % 2 == 0:
            _look()
        with as_actor(STAFF):
            HISTORIES[name][index](market, instance)
    _look()
    _look()
    given_run, _spells, _seen, _now, expected = TABLE[name]
    assert given_run.started_at == NOW
    assert _standing(instance) == [list(row) for row in expected]
    metered = sum(
        2 * 60 * (end - start) for kind, start, end, _cause in expected if kind == "metered" and end is not None
    )
    with as_actor(STAFF):
        assert (Charge.objects.aggregate(sum=Sum("device_seconds"))["sum"] or 0) == metered
        assert list_unmetered() == []


def _look() -> None:
    """What the sweep does."""
    with as_actor(STAFF):
        outages = list_unapplied()
    for outage_id in outages:
        apply_outage(actor=STAFF, outage_id=outage_id, now=at(LATE))
    with as_actor(STAFF):
        for instance_id in list_unmetered():
            meter_instance(instance_id=instance_id, now=at(LATE))


def _standing(instance: Instance) -> list[list[object]]:
    """What stands in minutes, rows that adjoin with one verdict joined."""
    joined: list[list[object]] = []
    with as_actor(STAFF):
        rows = list(UsageInterval.objects.filter(instance=instance, superseded_by__isnull=True).order_by("started_at"))
    for row in rows:
        start, end = minutes_of(row.started_at), None if row.ended_at is None else minutes_of(row.ended_at)
        if joined and joined[-1][2] == start and (joined[-1][0], joined[-1][3]) == (row.kind, row.reason):
            joined[-1][2] = end
        else:
            joined.append([row.kind, start, end, row.reason])
    return joined

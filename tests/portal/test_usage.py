"""The usage page and its file: three kinds, by instance, with reasons; another tenant's time is not in it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import translation

from billing.metering import meter_instance
from billing.metering.texts import explain_cause
from billing.rating import month_bounds
from billing.usage_queries import UsageFilter, iterate_parts, list_unpaid_parts, read_month_usage
from marketplace.inventory.models import OutageKind
from marketplace.inventory.outages import record_node_ready, record_node_trouble
from marketplace.kernel.actors import as_actor
from marketplace.kernel.errors import Forbidden
from marketplace.portal.views.usage import BAR_WIDTH, _bars
from tests.market import NOW, STAFF, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db
NOVEMBER = date(2026, 11, 1)


def test_a_month_is_told_by_kind_and_instance_with_reasons() -> None:
    """An hour of two devices, ten minutes of it excused; an open run counts up to now; others' usage is not there."""
    market, renter = build_market(devices=16), add_renter()
    other = add_renter(number="6068100016", name="다솜정밀")
    ended = run_instance(renter, started_at=NOW, ended_at=NOW + timedelta(hours=1), name="ended")
    going = run_instance(renter, started_at=NOW + timedelta(hours=2), ended_at=None, name="going")
    foreign = run_instance(other, started_at=NOW, ended_at=NOW + timedelta(hours=1))
    now = NOW + timedelta(hours=3)
    with as_actor(STAFF):
        cluster_id = market.cluster.id
        record_node_trouble(
            cluster_id=cluster_id, name="node-1", kind=OutageKind.NODE_NOT_READY, since=NOW + timedelta(minutes=10), now=now,
            evidence={},
        )  # fmt: skip
        record_node_ready(cluster_id=cluster_id, name="node-1", since=NOW + timedelta(minutes=20), now=now)
        for instance in (ended, going, foreign):
            meter_instance(instance_id=instance.id, now=now)
    with as_actor(renter.actor):
        found = read_month_usage(actor=renter.actor, month=NOVEMBER, now=now, limit=10)
        first = read_month_usage(actor=renter.actor, month=NOVEMBER, now=now, limit=1)
        parts = list_unpaid_parts(actor=renter.actor, month=NOVEMBER, now=now, limit=10)
        since, until = month_bounds(NOVEMBER)
        rows = list(iterate_parts(actor=renter.actor, wanted=UsageFilter(since=since, until=until), now=now))
        empty = read_month_usage(actor=renter.actor, month=date(2026, 12, 1), now=now, limit=10)
    assert (found.sums.metered, found.sums.excused, found.sums.unknown) == (2 * (3_000 + 3_600), 2 * 600, 0)
    assert {(row.name, row.sums.metered, row.sums.excused) for row in found.instances} == {
        ("ended", 6_000, 1_200),
        ("going", 7_200, 0),
    }
    assert (len(first.instances), first.has_more, first.sums) == (1, True, found.sums)
    assert [(part.interval.reason, part.seconds, part.amount) for part in parts] == [("node_not_ready", 600, 1_200)]
    assert sum(part.amount for part in rows) == found.sums.total
    assert empty.sums.total == 0


def test_usage_needs_its_permission() -> None:
    """A key without the scope is refused."""
    build_market()
    renter = add_renter()
    from dataclasses import replace  # noqa: PLC0415 - beside its one use

    poor = replace(renter.actor, permissions=frozenset({"instances.read"}))
    with as_actor(poor), pytest.raises(Forbidden):
        read_month_usage(actor=poor, month=NOVEMBER, now=datetime(2026, 11, 30, tzinfo=UTC), limit=1)


def test_the_bar_is_as_wide_as_its_pieces_and_shows_the_smallest() -> None:
    """A second of unknown beside a million metered ones is still seen."""
    from billing.usage_queries import KindSums  # noqa: PLC0415 - beside its one use

    bars = _bars(KindSums(metered=1_000_000, excused=0, unknown=1))
    assert [(bar["kind"], bar["x"], bar["width"]) for bar in bars] == [
        ("metered", 0, 996), ("excused", 996, 0), ("unknown", 996, 4),
    ]  # fmt: skip
    assert sum(bar["width"] for bar in bars) == BAR_WIDTH


def test_each_reason_has_a_sentence() -> None:
    """Including a reason of a version to come."""
    with translation.override("en"):
        assert explain_cause("node_lost") == "The node was lost"
    assert explain_cause("of_tomorrow") == "of_tomorrow"

"""What has been spent so far: closed and open usage, by group and day, with an unassigned bucket, and only the actor's own."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.costs import Dimension, read_month_to_date, read_running_cost, report_costs
from billing.metering import meter_instance
from billing.models import CostDay
from billing.rating import day_of
from marketplace.instances.models import Instance
from marketplace.kernel.actors import as_actor
from tests.market import NOW, STAFF, Renter, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db

NOVEMBER = date(2026, 11, 1)
TWO_HOURS = timedelta(hours=2)


def metered(renter: Renter, *, now: Any = NOW + TWO_HOURS, **changes: Any) -> Instance:
    """Run an instance of two devices and meter it; ₩3 a second."""
    instance = run_instance(renter, **{"started_at": NOW, "ended_at": NOW + timedelta(seconds=90), **changes})
    with as_actor(STAFF):
        meter_instance(instance_id=instance.id, now=now)
    return instance


def test_cost_so_far_is_closed_usage_and_what_runs_to_the_second() -> None:
    """₩270 are closed; the open one adds ₩3 a second, at 100 s ₩300."""
    build_market()
    renter = add_renter()
    closed, running = metered(renter), metered(renter, ended_at=None, now=NOW)
    at = NOW + timedelta(seconds=100)
    with as_actor(renter.actor):
        whole = read_month_to_date(actor=renter.actor, now=at)
        parts = [read_running_cost(actor=renter.actor, instance=one, now=at).won for one in (closed, running)]
        project = read_month_to_date(actor=renter.actor, now=at, project_id=renter.project.id)
        later = read_month_to_date(actor=renter.actor, now=at + timedelta(seconds=1))
    assert (whole.won, parts, whole.device_seconds) == (570, [270, 300], 380)
    assert project == whole
    assert later.numerator - whole.numerator == whole.numerator_per_second == 2 * 5_400_000_000


@pytest.mark.parametrize(
    ("dimension", "label"),
    [
        (Dimension.PROJECT, "신용평가"),
        (Dimension.COST_CENTRE, "리스크-310"),
        (Dimension.ACCELERATOR, "NVIDIA H200 141GB"),
        (Dimension.PERSON, "test-key"),
    ],
)
def test_a_report_groups_and_its_days_add_up(dimension: Dimension, label: str) -> None:
    """₩270 closed and ₩300 running in one group; the last day of the list is today."""
    build_market()
    renter = add_renter()
    metered(renter)
    metered(renter, ended_at=None, now=NOW)
    at = NOW + timedelta(seconds=100)
    with as_actor(renter.actor):
        report = report_costs(actor=renter.actor, month=NOVEMBER, dimension=dimension, now=at)
    assert [(row.label, row.won, row.device_seconds) for row in report.rows] == [(label, 570, 380)]
    assert sum(numerator for _day, numerator in report.days) == report.total.numerator
    assert (report.days[0][0], report.days[-1][0]) == (NOVEMBER, day_of(at))


def test_what_has_no_cost_centre_is_unassigned_not_left_out() -> None:
    """An empty label, for the bucket."""
    build_market()
    renter = add_renter()
    with as_actor(STAFF):
        renter.project.cost_centre = ""
        renter.project.save(update_fields=["cost_centre"])
    metered(renter)
    with as_actor(renter.actor):
        report = report_costs(
            actor=renter.actor, month=NOVEMBER, dimension=Dimension.COST_CENTRE, now=NOW + timedelta(hours=3)
        )
    assert [(row.label, row.won) for row in report.rows] == [("", 270)]


def test_a_charge_over_midnight_belongs_to_both_days() -> None:
    """From 23:59:50 to 00:00:20 in Seoul: ten seconds and twenty, ₩30 and ₩60."""
    midnight = NOW.replace(hour=15)
    build_market(now=midnight - timedelta(hours=1))
    renter = add_renter()
    metered(
        renter,
        started_at=midnight - timedelta(seconds=10),
        ended_at=midnight + timedelta(seconds=20),
        now=midnight + TWO_HOURS,
    )
    with as_actor(STAFF):
        days = list(CostDay.objects.order_by("day").values_list("day", "device_seconds"))
    assert days == [(date(2026, 11, 24), 20), (date(2026, 11, 25), 40)]


def test_another_tenant_has_spent_nothing() -> None:
    """Neither through the functions nor in the table."""
    build_market()
    metered(add_renter())
    other = add_renter(number="6068100016", name="다솜정밀")
    with as_actor(other.actor):
        assert read_month_to_date(actor=other.actor, now=NOW + timedelta(minutes=5)).numerator == 0
        assert CostDay.objects.count() == 0


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_queries_does_not_grow(count: int) -> None:
    """Five: the days, what is open, announced changes, commitments, discounts."""
    build_market()
    renter = add_renter()
    for _ in range(count):
        metered(renter, ended_at=None, now=NOW)
    with as_actor(renter.actor), CaptureQueriesContext(connection) as queries:
        read_month_to_date(actor=renter.actor, now=NOW + timedelta(minutes=5))
    assert len(queries) == 5

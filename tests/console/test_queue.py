"""The operator's queue: order, reasons, estimates and their score, why candidate by candidate, and the end of a stuck wait."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketplace.instances.history import score_estimates
from marketplace.instances.models import Instance, StartEstimate, Transition
from marketplace.journeys.admit import admit_pass
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry
from marketplace.quotas.models import Quota
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as, run_instance

pytestmark = pytest.mark.django_db


@pytest.fixture
def renter() -> Renter:
    """A bank on eight H200s, all of them in use for two hours at most."""
    build_market()
    bank = add_renter(quota=64)
    run_instance(bank, started_at=NOW, ended_at=None, devices=8, max_duration_s=7_200)
    return bank


def url_of(instance: Instance, suffix: str = "") -> str:
    """The explaining page."""
    return f"/pages/queue/{ids.format_id(prefix='ins', value=instance.id)}{suffix}"


def test_the_queue_is_shown_in_order_with_reason_wait_and_estimate(console: Client, renter: Renter) -> None:
    first = rent_as(renter, devices=8, name="first", now=NOW - timedelta(hours=3))
    rent_as(renter, devices=4, name="second")
    admit_pass(holder="test", now=NOW)
    text = console.get("/pages/queue").content.decode()
    assert text.index(">first<") < text.index(">second<")
    assert "No permitted node has 8 free devices now; the most on one node is 0." in text
    assert "3 h 0 min" in text
    assert "2026-11-24 14:00 (KST)" in text
    assert "WaitingForCapacity (2)" in text
    filtered = console.get("/pages/queue?reason=RequestTooLarge").content.decode()
    assert "Nothing waits for this reason." in filtered
    explained = console.get(url_of(first)).content.decode()
    assert "Not enough free devices" in explained
    assert "Place 1 of those that could start." in explained


def test_an_empty_queue_says_so(console: Client) -> None:
    assert "Nothing waits: every request was placed." in console.get("/pages/queue").content.decode()


def test_it_takes_as_many_queries_for_three_rows_as_for_one(console: Client, renter: Renter) -> None:
    counts = []
    for count in (1, 2):
        for number in range(count):
            rent_as(renter, devices=8, name=f"r{count}{number}")
        admit_pass(holder="test", now=NOW)
        with CaptureQueriesContext(connection) as captured:
            assert console.get("/pages/queue").status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_a_stuck_wait_is_ended_with_a_reason_that_the_customer_reads(console: Client, renter: Renter) -> None:
    stuck = rent_as(renter, devices=8)
    assert console.post(url_of(stuck, "/expire"), {"reason": ""}).status_code == 422
    answer = console.post(url_of(stuck, "/expire"), {"reason": "센터 이전으로 종료"})
    assert answer.headers["Location"] == "/pages/queue"
    with as_actor(STAFF):
        row = Instance.objects.get(id=stuck.id)
        move = Transition.objects.get(instance=stuck, to_state="ended")
        entry = AuditEntry.objects.get(action="instance.wait_expired")
        assert Quota.objects.get().used == 8
    assert (row.state, row.state_reason, move.detail) == ("ended", "expired_by_operator", "센터 이전으로 종료")
    assert (move.trigger, move.actor_name, entry.reason) == (
        "operator", "operator@ondol.example", "센터 이전으로 종료",
    )  # fmt: skip
    assert console.post(url_of(stuck, "/expire"), {"reason": "again"}).status_code == 409


def test_estimates_are_scored_by_what_came_of_them(renter: Renter) -> None:
    """Of four: two by the probable time, three by the almost certain one; the median error is between one minute and two."""
    instance = rent_as(renter, devices=8)
    hour = timedelta(hours=1)
    with as_actor(STAFF):
        for attempt, seconds in enumerate((-60, 0, 120, 900), start=1):
            StartEstimate.objects.create(
                tenant_id=renter.tenant.id, instance=instance, attempt=attempt, estimated_at=NOW, p50_at=NOW + hour,
                p90_at=NOW + hour + timedelta(seconds=300), started_at=NOW + hour + timedelta(seconds=seconds),
            )  # fmt: skip
        score = score_estimates(now=NOW + 2 * hour, window=timedelta(days=30))
    assert (score.started, score.within_p50, score.within_p90) == (4, 2, 3)
    assert score.error_p50_s == 90.0
    assert score.late_p90_s == pytest.approx(420.0)

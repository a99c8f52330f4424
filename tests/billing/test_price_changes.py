"""A price change never touches a running instance before its announced instant, and a rise only with the customer's consent."""

from datetime import UTC, date, datetime, timedelta

import pytest

from billing.metering import meter_instance
from billing.models import Charge, TermChange
from billing.month_close import close_month
from billing.price_changes import ChangeClosed, announce, answer_change
from billing.prices import PriceInvalid, publish_price
from marketplace.instances.models import Instance
from marketplace.instances.operations import begin_stopping
from marketplace.instances.states import Reason
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import Notice
from tests.market import STAFF, Renter, SmallMarket, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 3, 3, 0, tzinfo=UTC)
CHANGE = START + timedelta(days=8)
END = CHANGE + timedelta(seconds=1_000)
AFTER = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)


def announced(*, won: int) -> tuple[SmallMarket, Renter, Instance, TermChange]:
    """One instance of one device begins 1,000 s before the change; the new price is announced eight days ahead."""
    market = build_market(now=START)
    renter = add_renter(now=START)
    instance = run_instance(renter, started_at=CHANGE - timedelta(seconds=1_000), ended_at=None, devices=1)
    with as_actor(STAFF):
        version = publish_price(
            actor=STAFF, offer_id=market.offer.id, price_micros_per_device_hour=won * 1_000_000, effective_from=CHANGE,
            now=START,
        )  # fmt: skip
        (change,) = announce(actor=STAFF, price_version_id=version.id, now=START, reason="electricity")
        assert announce(actor=STAFF, price_version_id=version.id, now=START, reason="electricity") == []
    return market, renter, instance, change


def finish(instance: Instance) -> list[tuple[int, int]]:
    """End it 1,000 s after the change and meter it: (price in won, seconds) of each charge."""
    with as_actor(STAFF):
        begin_stopping(instance_id=instance.id, attempt=1, reason=Reason.COMPLETED, occurred_at=END, now=END)
        meter_instance(instance_id=instance.id, now=END + timedelta(seconds=5))
        rows = Charge.objects.filter(instance=instance).order_by("started_at")
        return [(row.price_micros // 1_000_000, row.device_seconds) for row in rows]


def test_a_rise_that_is_agreed_to_holds_from_its_instant_and_each_line_has_its_own_times() -> None:
    """1,000 s at ₩5,400 are ₩1,500; 1,000 s at ₩7,200 are ₩2,000; the lines meet at the change."""
    _market, renter, instance, change = announced(won=7_200)
    with as_actor(renter.actor):
        assert Notice.objects.filter(code="price.rise_announced", resolved_at__isnull=True).count() == 1
        answer_change(actor=renter.actor, change_id=change.id, is_agreed=True, now=START)
        assert Notice.objects.filter(resolved_at__isnull=True).count() == 0
    assert finish(instance) == [(5_400, 1_000), (7_200, 1_000)]
    (invoice,) = close_month(actor=STAFF, month=date(2026, 11, 1), now=AFTER)
    with as_actor(STAFF):
        lines = list(invoice.lines.values_list("supply_won", "started_at", "ended_at"))
    assert lines == [(1_500, CHANGE - timedelta(seconds=1_000), CHANGE), (2_000, CHANGE, END)]
    assert [line["period"] for line in invoice.document["lines"]] == [
        "2026-11-11 11:43:20 ~ 2026-11-11 12:00:00",
        "2026-11-11 12:00:00 ~ 2026-11-11 12:16:40",
    ]


@pytest.mark.parametrize("is_declined", [True, False])
def test_without_consent_the_old_price_stays_until_the_instance_ends(is_declined: bool) -> None:
    """Declined, or never answered: 2,000 s at ₩5,400."""
    _market, renter, instance, change = announced(won=7_200)
    if is_declined:
        with as_actor(renter.actor):
            answer_change(actor=renter.actor, change_id=change.id, is_agreed=False, now=START)
    assert finish(instance) == [(5_400, 2_000)]


def test_a_price_that_falls_needs_no_answer() -> None:
    """From its instant on, not before."""
    _market, _renter, instance, _change = announced(won=3_600)
    assert finish(instance) == [(5_400, 1_000), (3_600, 1_000)]


def test_an_answer_is_final_and_in_time() -> None:
    """Not after the instant, and not changed."""
    _market, renter, _instance, change = announced(won=7_200)
    with as_actor(renter.actor):
        with pytest.raises(ChangeClosed):
            answer_change(actor=renter.actor, change_id=change.id, is_agreed=True, now=CHANGE)
        answer_change(actor=renter.actor, change_id=change.id, is_agreed=False, now=START)
        with pytest.raises(ChangeClosed):
            answer_change(actor=renter.actor, change_id=change.id, is_agreed=True, now=START)
        assert TermChange.objects.get().answer == "declined"


def test_a_change_is_announced_in_time() -> None:
    """Six days are too few; nothing is written."""
    market = build_market(now=START)
    with as_actor(STAFF):
        version = publish_price(
            actor=STAFF, offer_id=market.offer.id, price_micros_per_device_hour=1, now=START,
            effective_from=START + timedelta(days=6),
        )  # fmt: skip
        with pytest.raises(PriceInvalid):
            announce(actor=STAFF, price_version_id=version.id, now=START, reason="x")
        assert TermChange.objects.count() == 0

"""Transitions → usage → charges → invoice, in the database."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection

from billing.costs import read_running_cost
from billing.ledger import AccountKind, LedgerKeyReused, LedgerUnbalanced, Posting, find_difference, post
from billing.metering import list_unmetered, meter_instance
from billing.models import Charge, Invoice, InvoiceLine, LedgerPosting, LedgerTransaction, UsageInterval
from billing.month_close import MonthNotOver, close_month, hash_document
from billing.queries import list_invoices
from marketplace.instances.models import Instance
from marketplace.instances.operations import begin_stopping
from marketplace.instances.states import Reason
from marketplace.kernel.actors import as_actor, savepoint
from marketplace.tenants.models.billing_profile import Rounding
from tests.market import NOW, STAFF, Renter, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db

NOVEMBER = date(2026, 11, 1)
AFTER = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
"""Midnight in Seoul."""


def meter(instance: Instance, *, now: datetime = NOW + timedelta(hours=1)) -> int:
    """Meter in a transaction of its own."""
    with as_actor(STAFF):
        return meter_instance(instance_id=instance.id, now=now)


def test_a_run_becomes_one_interval_and_one_exact_charge_however_often_it_is_metered() -> None:
    """Ninety seconds of two devices at ₩5,400: 180 device-seconds."""
    build_market()
    instance = run_instance(add_renter(), started_at=NOW, ended_at=NOW + timedelta(seconds=90))
    assert [meter(instance) for _ in range(3)] == [1, 0, 0]
    with as_actor(STAFF):
        interval = UsageInterval.objects.get()
        assert (interval.started_at, interval.ended_at) == (NOW, NOW + timedelta(seconds=90))
        charge = Charge.objects.get()
    assert (charge.device_seconds, int(charge.numerator), charge.month) == (180, 972_000_000_000, NOVEMBER)


def test_an_open_run_costs_by_the_second_before_it_is_charged() -> None:
    """₩3 a second for two devices; nothing is charged until the run ends."""
    build_market()
    renter = add_renter()
    instance = run_instance(renter, started_at=NOW, ended_at=None)
    assert meter(instance) == 0
    with as_actor(renter.actor):
        cost = read_running_cost(actor=renter.actor, instance=instance, now=NOW + timedelta(seconds=100))
    assert (cost.won, cost.device_seconds, cost.numerator_per_second) == (300, 200, 10_800_000_000)
    with as_actor(STAFF):
        assert Charge.objects.count() == 0


def test_an_end_that_is_known_only_after_the_month_was_cut_leaves_nothing_open() -> None:
    """The close cut at midnight and went on; then the pod turns out to have ended ten seconds earlier."""
    start = AFTER - timedelta(hours=1)
    build_market(now=start)
    instance = run_instance(add_renter(now=start), started_at=start, ended_at=None)
    assert meter(instance, now=AFTER + timedelta(seconds=2)) == 1
    with as_actor(STAFF):
        begin_stopping(
            instance_id=instance.id,
            attempt=1,
            reason=Reason.COMPLETED,
            occurred_at=AFTER - timedelta(seconds=10),
            now=AFTER + timedelta(seconds=5),
        )
    assert [meter(instance, now=AFTER + timedelta(seconds=6)) for _ in range(2)] == [2, 0]
    with as_actor(STAFF):
        assert not UsageInterval.objects.filter(ended_at__isnull=True, superseded_by__isnull=True).exists()
        assert list_unmetered() == []
        # Charges never change: what the month was charged is taken off, and charged again without the ten seconds of two devices.
        seconds = Charge.objects.order_by("id").values_list("kind", "device_seconds")
        assert list(seconds) == [("usage", 7_200), ("correction", -7_200), ("usage", 7_180)]


def test_a_run_within_one_second_is_no_usage() -> None:
    """An interval that was opened meanwhile is void."""
    build_market()
    instance = run_instance(add_renter(), started_at=NOW, ended_at=None)
    meter(instance)
    with as_actor(STAFF):
        begin_stopping(instance_id=instance.id, attempt=1, reason=Reason.COMPLETED, occurred_at=NOW, now=NOW)
    assert meter(instance) == 0
    with as_actor(STAFF):
        interval = UsageInterval.objects.get()
        assert interval.superseded_by_id == interval.id
        assert Charge.objects.count() == 0


def test_the_sweep_finds_what_is_not_metered_and_nothing_else() -> None:
    """A run without an interval and an end without a close are found; a run of no second and a metered one are not."""
    build_market()
    renter = add_renter()
    unmetered = run_instance(renter, started_at=NOW, ended_at=None, devices=1)
    run_instance(renter, started_at=NOW, ended_at=NOW, devices=1)
    done = run_instance(renter, started_at=NOW, ended_at=NOW + timedelta(seconds=5), devices=1)
    meter(done)
    with as_actor(STAFF):
        assert list_unmetered() == [unmetered.id]
    meter(unmetered)
    with as_actor(STAFF):
        assert list_unmetered() == []
        begin_stopping(
            instance_id=unmetered.id,
            attempt=1,
            reason=Reason.COMPLETED,
            occurred_at=NOW + timedelta(seconds=9),
            now=NOW,
        )
        assert list_unmetered() == [unmetered.id]


def test_the_database_refuses_overlapping_usage() -> None:
    """Even for code that forgets the lock."""
    build_market()
    instance = run_instance(add_renter(), started_at=NOW, ended_at=None)
    meter(instance)
    with as_actor(STAFF):
        first = UsageInterval.objects.get()
        with pytest.raises(DatabaseError, match="billing_usage_no_overlap"), savepoint():
            UsageInterval.objects.create(
                tenant_id=first.tenant_id,
                project=first.project,
                subject_id=first.subject_id,
                instance=instance,
                term=first.term,
                quantity=2,
                started_at=NOW + timedelta(seconds=5),
                ended_at=NOW + timedelta(seconds=6),
                opened_by=first.id,
            )


def test_closing_a_month_issues_an_invoice_that_adds_up() -> None:
    """Two instances, 180 and 21 device-seconds: ₩270 + ₩32 (31.5 rounded), VAT 30, total 332."""
    build_market()
    renter = add_renter()
    first = run_instance(renter, started_at=NOW, ended_at=NOW + timedelta(seconds=90))
    second = run_instance(renter, started_at=NOW, ended_at=NOW + timedelta(seconds=7), devices=3)
    invoices = close_month(actor=STAFF, month=NOVEMBER, now=AFTER)
    assert [(item.number, item.supply_won, item.vat_won, item.total_won) for item in invoices] == [
        ("202611-00015-000001", 302, 30, 332)
    ]
    with as_actor(STAFF):
        lines = InvoiceLine.objects.filter(invoice=invoices[0])
        assert {(item.instance_id, item.device_seconds, item.supply_won) for item in lines} == {
            (first.id, 180, 270),
            (second.id, 21, 32),
        }
        assert Charge.objects.filter(invoice_line__isnull=True).count() == 0
        assert sorted(LedgerPosting.objects.values_list("amount_won", flat=True)) == [-302, -30, 332]
        assert find_difference() is None
        stored = Invoice.objects.get()
    assert bytes(stored.document_hash) == hash_document(stored.document)
    assert stored.document["buyer"]["business_number"] == "116-81-00018"
    assert [item["cost_centre"] for item in stored.document["lines"]] == ["리스크-310", "리스크-310"]


def test_closing_again_issues_nothing_and_late_usage_becomes_an_adjustment() -> None:
    """The issued invoice's hash does not change; the adjustment has the next number."""
    build_market()
    renter = add_renter()
    run_instance(renter, started_at=NOW, ended_at=NOW + timedelta(seconds=90))
    issued = close_month(actor=STAFF, month=NOVEMBER, now=AFTER)[0]
    assert close_month(actor=STAFF, month=NOVEMBER, now=AFTER) == []
    run_instance(renter, started_at=NOW + timedelta(hours=1), ended_at=NOW + timedelta(hours=1, seconds=90))
    adjustment = close_month(actor=STAFF, month=NOVEMBER, now=AFTER + timedelta(days=2))[0]
    assert (adjustment.number, adjustment.sequence, adjustment.total_won) == ("202611-00015-000002", 2, 297)
    with as_actor(STAFF):
        assert bytes(Invoice.objects.get(id=issued.id).document_hash) == hash_document(issued.document)


def test_a_run_over_the_end_of_the_month_is_cut_at_midnight_in_seoul() -> None:
    """Ten seconds in November are invoiced while the instance goes on in December."""
    build_market(now=AFTER - timedelta(seconds=10))
    renter = add_renter()
    instance = run_instance(renter, started_at=AFTER - timedelta(seconds=10), ended_at=None)
    invoice = close_month(actor=STAFF, month=NOVEMBER, now=AFTER + timedelta(seconds=30))[0]
    assert (invoice.supply_won, invoice.vat_won) == (30, 3)
    with as_actor(STAFF):
        parts = list(UsageInterval.objects.filter(instance=instance).order_by("started_at"))
    assert [(part.started_at, part.ended_at) for part in parts] == [
        (AFTER - timedelta(seconds=10), AFTER),
        (AFTER, None),
    ]


def test_a_month_that_still_runs_is_not_closed() -> None:
    """A second before midnight in Seoul."""
    with pytest.raises(MonthNotOver):
        close_month(actor=STAFF, month=NOVEMBER, now=AFTER - timedelta(seconds=1))


def test_a_ten_won_payer_gets_an_adjustment_line() -> None:
    """180 device-seconds: ₩270 + 27 = 297 → 290: supply 264, VAT 26."""
    build_market()
    renter = add_renter(rounding=Rounding.TEN_WON)
    run_instance(renter, started_at=NOW, ended_at=NOW + timedelta(seconds=90))
    invoice = close_month(actor=STAFF, month=NOVEMBER, now=AFTER)[0]
    assert (invoice.supply_won, invoice.vat_won, invoice.total_won) == (264, 26, 290)
    with as_actor(STAFF):
        assert list(invoice.lines.values_list("description", "supply_won"))[-1] == ("끝수 조정", -6)
        assert find_difference() is None


def test_another_tenant_sees_no_invoice() -> None:
    """Row-level security and the access function, both."""
    build_market()
    run_instance(add_renter(), started_at=NOW, ended_at=NOW + timedelta(seconds=90))
    close_month(actor=STAFF, month=NOVEMBER, now=AFTER)
    other = add_renter(number="6068100016", name="다솜정밀")
    with as_actor(other.actor):
        assert list_invoices(actor=other.actor).count() == 0
        assert (Invoice.objects.count(), Charge.objects.count(), UsageInterval.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("billing_invoice", "total_won"),
        ("billing_invoiceline", "supply_won"),
        ("billing_charge", "device_seconds"),
        ("billing_ledgerposting", "amount_won"),
    ],
)
def test_issued_rows_can_be_neither_changed_nor_deleted(table: str, column: str) -> None:
    """Not even by a statement of staff."""
    build_market()
    run_instance(add_renter(), started_at=NOW, ended_at=NOW + timedelta(seconds=90))
    close_month(actor=STAFF, month=NOVEMBER, now=AFTER)
    with as_actor(STAFF), connection.cursor() as cursor:
        for statement in (f"UPDATE {table} SET {column} = {column} + 1", f"DELETE FROM {table}"):
            with pytest.raises(DatabaseError, match="append-only|permission denied"), savepoint():
                cursor.execute(statement)


def test_the_ledger_refuses_what_does_not_balance_and_a_key_with_another_input() -> None:
    """By the function, and by the database behind it."""
    seller = build_market().offer.site.provider_id
    renter = add_renter()
    both = [Posting(kind=AccountKind.RECEIVABLE, amount_won=10), Posting(kind=AccountKind.REVENUE, amount_won=-10)]
    with as_actor(STAFF):
        arguments: dict[str, Any] = {"tenant_id": renter.tenant.id, "seller_id": seller, "occurred_at": NOW}
        with pytest.raises(LedgerUnbalanced):
            post(key="a", postings=both[:1], **arguments)
        first = post(key="a", postings=both, **arguments)
        assert post(key="a", postings=both, **arguments) == first
        with pytest.raises(LedgerKeyReused):
            post(key="a", postings=[*both, *both], **arguments)
        assert LedgerTransaction.objects.count() == 1
        account = LedgerPosting.objects.first()
        assert account is not None
        with pytest.raises(DatabaseError, match="is off by 5 won"), savepoint():
            LedgerPosting.objects.create(
                tenant_id=renter.tenant.id, transaction=first, account=account.account, amount_won=5
            )


@pytest.mark.committing
def test_two_closes_at_once_issue_each_invoice_once_without_a_gap() -> None:
    """Six payers, two threads, real commits."""
    build_market()
    numbers = ["1168100018", "6068100016", "1048101237", "5128104565", "1248100998", "1208147521"]
    renters: list[Renter] = [add_renter(number=number, name=number) for number in numbers]
    for renter in renters:
        run_instance(renter, started_at=NOW, ended_at=NOW + timedelta(seconds=90))
    issued: list[Invoice] = []

    def close() -> None:
        issued.extend(close_month(actor=STAFF, month=NOVEMBER, now=AFTER))
        connection.close()

    threads = [threading.Thread(target=close) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(invoice.number for invoice in issued) == [f"202611-00015-{n:06d}" for n in range(1, 7)]
    with as_actor(STAFF):
        assert find_difference() is None

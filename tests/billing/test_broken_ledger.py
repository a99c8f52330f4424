"""Somebody with the owner's rights changes what is append-only: the nightly check names the row, and tells the operators."""

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from celery.schedules import crontab
from django.core.management import CommandError, call_command
from django.db import connection

from billing.models import Charge, Invoice, InvoiceLine
from billing.month_close import close_month
from billing.tasks import check_ledger
from devstack.postgres import Login
from marketplace.config.schedule import SCHEDULE
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import Notice
from tests.billing.paying import meter_and_watch
from tests.fixtures.machine import Machine
from tests.market import NOW, STAFF, add_renter, build_market, run_instance

pytestmark = pytest.mark.committing

HOUR = timedelta(hours=1)
BROKEN = [
    pytest.param(
        "billing_ledgerposting", "amount_won = amount_won + 1", "amount_won > 0", "transaction {key} does not balance", 0, 1,
        id="one side of a transaction",
    ),
    pytest.param(
        "billing_ledgerposting", "amount_won = amount_won * 2", "true",
        "postings of transaction {key} are not those that were posted", 0, 47_520, id="all sides, so that it still balances",
    ),
    pytest.param(
        "billing_invoice", "total_won = total_won - 10, vat_won = vat_won - 10", "true", "receivable of invoice {number}",
        11_870, 11_880, id="an invoice's total",
    ),
    pytest.param(
        "billing_invoiceline", "supply_won = supply_won - 10", "true", "lines of invoice {number}", 10_800, 10_790,
        id="a line",
    ),
    pytest.param(
        "billing_charge", "unit_seconds = unit_seconds + 1, numerator = numerator + price_micros", "true",
        "charges of invoice {number} line 1",
        10_800 * 3_600_000_000, 10_800 * 3_600_000_000 + 5_400_000_000, id="a charge, by a second",
    ),
]  # fmt: skip


def change_as_owner(machine: Machine, table: str, change: str, which: str) -> int:
    """Switch the guards of a table off, change it, and switch them on again; how many rows were changed.

    Constraints stay: what they exclude no owner can write by slip.
    """
    url = machine.stack.shared.access.url(database=str(connection.settings_dict["NAME"]), login=Login.OWNER)
    with psycopg.connect(url) as owner:
        guards = (
            ("NO FORCE ROW LEVEL SECURITY", "DISABLE TRIGGER USER"),
            ("ENABLE TRIGGER USER", "FORCE ROW LEVEL SECURITY"),
        )
        for guard in guards[0]:
            owner.execute(f"ALTER TABLE {table} {guard}")
        changed = owner.execute(f"UPDATE {table} SET {change} WHERE {which}").rowcount
        for guard in guards[1]:
            owner.execute(f"ALTER TABLE {table} {guard}")
    return changed


@pytest.mark.parametrize(("table", "change", "which", "what", "expected", "found"), BROKEN)
def test_the_check_names_what_was_changed_behind_every_guard(
    machine: Machine, table: str, change: str, which: str, what: str, expected: int, found: int
) -> None:
    """One device-hour of two devices, invoiced; then one value is changed. The task raises a notice and the command fails."""
    build_market()
    instance = run_instance(add_renter(), started_at=NOW, ended_at=NOW + HOUR)
    meter_and_watch(instance.id, now=NOW + HOUR)
    (invoice,) = close_month(actor=STAFF, month=date(2026, 11, 1), now=datetime(2026, 11, 30, 15, 0, tzinfo=UTC))
    call_command("check_ledger")
    assert check_ledger() is True
    assert change_as_owner(machine, table, change, which) > 0
    names = {"key": f"invoice:{invoice.id}", "number": invoice.number}
    with pytest.raises(CommandError) as failed:
        call_command("check_ledger")
    assert str(failed.value) == f"{what.format(**names)}: expected {expected}, found {found}"
    assert check_ledger() is False
    with as_actor(STAFF):
        notice = Notice.objects.get(code="ledger.difference", resolved_at__isnull=True)
    assert (notice.facts["expected"], notice.facts["actual"]) == (expected, found)
    assert any(name in notice.facts["what"] for name in names.values())


def test_the_owner_alone_is_refused_too(machine: Machine) -> None:
    """While the guards stand, and nothing is seen without a role that has policies."""
    build_market()
    instance = run_instance(add_renter(), started_at=NOW, ended_at=NOW + HOUR)
    meter_and_watch(instance.id, now=NOW + HOUR)
    close_month(actor=STAFF, month=date(2026, 11, 1), now=datetime(2026, 11, 30, 15, 0, tzinfo=UTC))
    url = machine.stack.shared.access.url(database=str(connection.settings_dict["NAME"]), login=Login.OWNER)
    for table in ("billing_ledgerposting", "billing_invoice", "billing_invoiceline", "billing_charge"):
        with psycopg.connect(url) as owner:
            assert owner.execute(f"DELETE FROM {table}").rowcount == 0
            owner.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            with pytest.raises(psycopg.errors.RestrictViolation):
                owner.execute(f"DELETE FROM {table}")
            owner.rollback()
    with as_actor(STAFF):
        assert [model.objects.count() for model in (Invoice, InvoiceLine, Charge)] == [1, 1, 1]


def test_it_runs_every_night() -> None:
    """At three in the morning in Seoul, whenever the timers were started: an interval would begin anew at each restart."""
    assert SCHEDULE["check-ledger"] == {"task": "billing.check_ledger", "schedule": crontab(hour=18, minute=0)}

"""The ledger, the charges and the invoices against the oracle."""

import hashlib
from collections import defaultdict
from uuid import UUID

from django.db import connection

from billing.ledger import AccountKind, find_difference, read_balances, rebuild_balances
from billing.models import Charge, ChargeKind, InvoiceLine
from marketplace.kernel.actors import as_actor
from tests.billing.simulation.oracle import count_covered
from tests.billing.simulation.world import World
from tests.market import STAFF

_UNCHARGED = """
SELECT count(*) FROM billing_usageinterval u
LEFT JOIN (SELECT usage_interval_id, sum(device_seconds) AS seconds FROM billing_charge GROUP BY 1) c ON c.usage_interval_id = u.id
WHERE u.meter = 'device' AND u.ended_at IS NOT NULL AND coalesce(c.seconds, 0) <> CASE
    WHEN u.superseded_by_id IS NULL AND u.kind = 'metered'
    THEN extract(epoch FROM u.ended_at - u.started_at)::bigint * u.quantity ELSE 0 END
"""
"""Every interval that stands is charged for exactly its seconds, every other for none."""


def check(world: World) -> None:
    """Oracles U, I and L of one world that has come to its end."""
    with as_actor(STAFF):
        assert find_difference() is None
        _check_usage(world)
        _check_commitments(world)
        _check_invoices(world)
        _check_balances(world)


def _check_usage(world: World) -> None:
    """Every billable second is charged once, at the price that held."""
    charged: dict[UUID | None, list[int]] = defaultdict(lambda: [0, 0])
    used = Charge.objects.filter(kind__in=[ChargeKind.USAGE, ChargeKind.CORRECTION])
    for instance_id, seconds, numerator in used.values_list("instance_id", "device_seconds", "numerator"):
        charged[instance_id][0] += seconds
        charged[instance_id][1] += int(numerator)
    wrong = []
    for instance_id, life in world.lives.items():
        expected, found = life.bill(world.excused), tuple(charged[instance_id])
        if expected != found:
            wrong.append((str(instance_id), expected, found))
    assert wrong == []
    with connection.cursor() as cursor:
        cursor.execute(_UNCHARGED)
        assert cursor.fetchone() == (0,)


def _check_commitments(world: World) -> None:
    """Each fee is charged to the won's last part, used or not, and at each moment what is covered is what ran and was pledged."""
    rows = Charge.objects.filter(kind__in=[ChargeKind.COMMITMENT, ChargeKind.COVERED])
    found: dict[tuple[UUID, str], list[int]] = defaultdict(lambda: [0, 0])
    for tenant_id, kind, seconds, numerator in rows.values_list("tenant_id", "kind", "device_seconds", "numerator"):
        found[tenant_id, kind][0] += seconds
        found[tenant_id, kind][1] += int(numerator)
    for renter in world.renters:
        pledges = [pledge for pledge in world.pledges if pledge.renter is renter]
        lives = [life for life in world.lives.values() if life.renter is renter]
        fees, covered = found[renter.tenant.id, ChargeKind.COMMITMENT], found[renter.tenant.id, ChargeKind.COVERED]
        assert fees[1] == sum(pledge.fee for pledge in pledges), renter.tenant.name
        assert -covered[0] == count_covered(pledges, lives, world.excused), renter.tenant.name
        world.counts["covered_hours"] += -covered[0] // 3_600


def _check_invoices(world: World) -> None:
    """Every charge stands in one line; lines, VAT and totals add up, and numbers have no gaps."""
    assert not Charge.objects.filter(invoice_line__isnull=True).exists()
    lines: dict[UUID, int] = defaultdict(int)
    for invoice_id, supply in InvoiceLine.objects.values_list("invoice_id", "supply_won"):
        lines[invoice_id] += supply
    numbers: dict[tuple[object, UUID], list[int]] = defaultdict(list)
    for invoice in world.invoices:
        assert lines[invoice.id] == invoice.supply_won, invoice.number
        assert invoice.supply_won + invoice.vat_won == invoice.total_won, invoice.number
        numbers[invoice.month, invoice.seller_id].append(int(invoice.number[-6:]))
    for found in numbers.values():
        assert sorted(found) == list(range(1, len(found) + 1))


def _check_balances(world: World) -> None:
    """Revenue is what was invoiced, nothing of a prepaid month is left over, and rebuilt balances are the stored ones."""
    tenants = [renter.tenant.id for renter in world.renters]
    balances = read_balances(tenant_ids=tenants, kinds=list(AccountKind))
    assert sum(balances.values()) == 0
    for renter in world.renters:
        own = {kind: won for (tenant, _seller, kind), won in balances.items() if tenant == renter.tenant.id}
        invoices = [row for row in world.invoices if row.tenant_id == renter.tenant.id]
        assert -own.get(AccountKind.REVENUE, 0) == sum(row.supply_won for row in invoices)
        assert -own.get(AccountKind.VAT_PAYABLE, 0) == sum(row.vat_won for row in invoices)
        if renter.tenant.id in world.prepaid:
            assert (own.get(AccountKind.RECEIVABLE, 0), own.get(AccountKind.SETTLED, 0)) == (0, 0)
    rebuild_balances()
    assert read_balances(tenant_ids=tenants, kinds=list(AccountKind)) == balances


def digest(world: World) -> str:
    """What came out, in one word: the same for the same seed."""
    with as_actor(STAFF):
        bills = [life.bill(world.excused) for life in world.lives.values()]
        invoiced = sorted((row.number, row.supply_won, row.vat_won) for row in world.invoices)
    return hashlib.sha256(repr((bills, invoiced, world.facts())).encode()).hexdigest()[:16]

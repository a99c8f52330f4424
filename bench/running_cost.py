"""How long does "what has been spent so far" take with ten million usage intervals?

`python -m bench.running_cost [intervals]` starts a PostgreSQL of its own, writes that many closed intervals with their charges'
sums by day for 50 tenants over the present month, and running ones for each; then asks for instance, project and tenant
as the web role, with row-level security on. Prints p50 and p99.
"""

import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bench.figures import percentile
from devstack.in_process import set_up_django
from devstack.postgres import Login
from devstack.stack import Stack

TENANTS = 50
INSTANCES_PER_TENANT = 2_000
OPEN_PER_TENANT = 40
ROUNDS = 400
DATABASE = "running_cost"

_INTERVALS = """
INSERT INTO billing_usageinterval (id, tenant_id, project_id, subject_kind, subject_id, instance_id, term_id, rank, meter,
    kind, reason, quantity, started_at, ended_at, opened_by)
SELECT gen_random_uuid(), i.tenant_id, i.project_id, 'ins', i.id, i.id, t.id, 0, 'device', 'metered', '', 1,
    %(start)s + n * interval '200 seconds', %(start)s + n * interval '200 seconds' + interval '190 seconds', gen_random_uuid()
FROM instances_instance i JOIN instances_instanceterm t ON t.instance_id = i.id, generate_series(0, %(each)s - 1) n
"""
_DAYS = """
INSERT INTO billing_costday (id, tenant_id, source_id, instance_id, project_id, offer_id, kind, day, cost_centre, numerator,
    device_seconds)
SELECT gen_random_uuid(), u.tenant_id, u.instance_id, u.instance_id, u.project_id, t.offer_id, 'usage',
    (u.started_at AT TIME ZONE 'Asia/Seoul')::date, 'A-100', count(*) * 190 * 5400000000::numeric, count(*) * 190
FROM billing_usageinterval u JOIN instances_instanceterm t ON t.id = u.term_id
GROUP BY 2, 3, 4, 5, 6, 7, 8
"""
_OPEN = """
INSERT INTO billing_usageinterval (id, tenant_id, project_id, subject_kind, subject_id, instance_id, term_id, rank, meter,
    kind, reason, quantity, started_at, opened_by)
SELECT gen_random_uuid(), i.tenant_id, i.project_id, 'ins', i.id, i.id, t.id, 1, 'device', 'metered', '', 1,
    %(now)s - interval '1 day', gen_random_uuid()
FROM (SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY id) AS place FROM instances_instance) i
JOIN instances_instanceterm t ON t.instance_id = i.id WHERE i.place <= %(open)s
"""


def main() -> int:
    """Build, ask, print."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    installation_id = uuid.uuid4()
    with Stack() as stack:
        stack.start(clusters=[])
        stack.create_database(name=DATABASE)
        set_up_django(stack.environment(database=DATABASE, login=Login.STAFF, installation_id=installation_id))
        renters = _build(wanted)
        for line in _ask(renters):
            sys.stdout.write(line + "\n")
    return 0


def _build(wanted: int) -> list[Any]:
    from django.db import connection  # noqa: PLC0415 - Django is set up only now

    from billing.rating import month_bounds, month_of  # noqa: PLC0415
    from marketplace.instances.models import Instance, InstanceTerm  # noqa: PLC0415
    from marketplace.inventory.models import Seller  # noqa: PLC0415
    from marketplace.kernel import clock, ids  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF, add_renter, build_market  # noqa: PLC0415

    now = clock.now()
    start, _following = month_bounds(month_of(now))
    market = build_market(now=start - timedelta(days=2))
    renters = [add_renter(name=f"기관 {number}", quota=None, now=start) for number in range(TENANTS)]
    each = max(1, wanted // (TENANTS * INSTANCES_PER_TENANT))
    with as_actor(STAFF):
        seller = Seller.objects.get()
        for renter in renters:
            instances = Instance.objects.bulk_create(
                (Instance(
                    tenant=renter.tenant, project=renter.project, name=f"i{number}", devices=1, image="a", state="ended",
                    state_changed_at=start, queued_at=start, created_by_name="kim", created_at=start,
                )
                for number in range(INSTANCES_PER_TENANT)),
                batch_size=1_000,
            )  # fmt: skip
            InstanceTerm.objects.bulk_create(
                (InstanceTerm(
                    tenant_id=renter.tenant.id, instance=instance, offer=market.offer, seller=seller,
                    selling_mode="brokered", price_version_id=ids.new_id(), price_micros_per_device_hour=5_400_000_000,
                    agreed_at=start,
                )
                for instance in instances),
                batch_size=1_000,
            )  # fmt: skip
    with as_actor(STAFF), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(_INTERVALS, {"start": start, "each": each})
        sys.stdout.write(f"{cursor.rowcount:,} intervals\n")
        cursor.execute(_DAYS)
        sys.stdout.write(f"{cursor.rowcount:,} days of instances\n")
        cursor.execute(_OPEN, {"now": now, "open": OPEN_PER_TENANT})
        sys.stdout.write(f"{cursor.rowcount:,} running\n")
    return renters


def _ask(renters: list[Any]) -> list[str]:
    from django.db import connection  # noqa: PLC0415

    from billing.costs import read_month_to_date, read_running_cost  # noqa: PLC0415
    from marketplace.instances.models import Instance  # noqa: PLC0415
    from marketplace.kernel import clock  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    with as_actor(STAFF):
        instances = [Instance.objects.filter(tenant=renter.tenant).order_by("id")[0] for renter in renters]
    asked: dict[str, Callable[[int], object]] = {
        "instance": lambda n: read_running_cost(actor=renters[n].actor, instance=instances[n], now=clock.now()),
        "project": lambda n: read_month_to_date(
            actor=renters[n].actor, now=clock.now(), project_id=renters[n].project.id
        ),
        "tenant": lambda n: read_month_to_date(actor=renters[n].actor, now=clock.now()),
    }
    lines = []
    for what, read in asked.items():
        times = []
        for index in range(ROUNDS):
            began = time.perf_counter()
            with as_actor(renters[index % TENANTS].actor):
                read(index % TENANTS)
            times.append((time.perf_counter() - began) * 1_000)
        lines.append(f"{what}: p50 {percentile(times, 0.5):.1f} ms, p99 {percentile(times, 0.99):.1f} ms")
    connection.close()
    return lines


if __name__ == "__main__":
    sys.exit(main())

"""How long does "what has been spent so far" take with ten million usage intervals? Asked for instance, project and tenant.

`python -m bench running-cost`, or `python -m bench.running_cost [intervals]`, starts a PostgreSQL of its own. Closed intervals
of the present month, for 50 tenants with 2,000 instances each, are copied in, with the sums by day that charging keeps beside
them, and forty open ones for each tenant. Indexes and foreign keys are dropped for the copy and made again; the exclusion of
overlaps, which no read uses, is not. Then each question is asked by the role of the web, with row-level security on, and timed
with its transaction.
"""

import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from bench.figures import Figure, cpu_s, percentile
from devstack.in_process import set_up_django
from devstack.postgres import Login
from devstack.stack import Stack

INTERVALS: Final = 10_000_000
TENANTS: Final = 50
INSTANCES_PER_TENANT: Final = 2_000
OPEN_PER_TENANT: Final = 40
ROUNDS: Final = 1_000
"""Questions of each kind; the p99 is the tenth slowest."""
GOAL_MS: Final = 50.0
DATABASE: Final = "running_cost"
PRICE_MICROS: Final = 5_400_000_000
USED_S: Final = 190
"""Each interval is 190 s long; an instance's are spread evenly over the month so far."""

_MORE_INSTANCES: Final = """
INSERT INTO instances_instance SELECT c.* FROM instances_instance i CROSS JOIN generate_series(1, %s) n
CROSS JOIN LATERAL jsonb_populate_record(i, jsonb_build_object('id', gen_random_uuid(), 'name', 'i' || n)) c WHERE i.id = %s
"""
_MORE_TERMS: Final = """
INSERT INTO instances_instanceterm SELECT c.* FROM instances_instanceterm t CROSS JOIN instances_instance i
CROSS JOIN LATERAL jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(), 'instance_id', i.id)) c
WHERE t.id = %s AND i.tenant_id = %s AND i.id <> %s
"""
_PARTS: Final = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = 'billing_usageinterval'::regclass AND contype IN ('f', 'x', 'u') ORDER BY contype DESC, conname
"""
_INDEXES: Final = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
WHERE i.indrelid = 'billing_usageinterval'::regclass AND NOT i.indisprimary
AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""
_HIDDEN: Final = (
    "billing_usageinterval", "billing_costday", "instances_instanceterm", "instances_instance", "tenants_project",
)  # fmt: skip
"""Tables whose rows are hidden from their owner too, without a tenant."""
_COPY: Final = """
COPY billing_usageinterval (id, tenant_id, project_id, subject_kind, subject_id, instance_id, term_id, rank, meter, kind, reason,
    quantity, started_at, ended_at, opened_by) FROM STDIN
"""
_DAYS: Final = """
INSERT INTO billing_costday (id, tenant_id, source_id, instance_id, project_id, offer_id, kind, day, cost_centre, numerator,
    device_seconds)
SELECT gen_random_uuid(), u.tenant_id, u.instance_id, u.instance_id, u.project_id, t.offer_id, 'usage',
    (u.started_at AT TIME ZONE 'Asia/Seoul')::date, 'A-100', sum(u.quantity) * 190 * 5400000000::numeric, sum(u.quantity) * 190
FROM billing_usageinterval u JOIN instances_instanceterm t ON t.id = u.term_id WHERE u.ended_at IS NOT NULL
GROUP BY 2, 3, 4, 5, 6, 7, 8
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """Whose intervals are written: one instance with its term."""

    tenant_id: uuid.UUID
    project_id: uuid.UUID
    instance_id: uuid.UUID
    term_id: uuid.UUID


def bench_running_cost(*, intervals: int = INTERVALS) -> list[Figure]:
    """A figure for each question, on a PostgreSQL of its own; says on the way how long loading took."""
    began = cpu_s()
    installation_id = uuid.uuid4()
    with Stack() as stack:
        stack.postgres.start()
        stack.create_template()
        stack.create_database(name=DATABASE)
        set_up_django(stack.environment(database=DATABASE, login=Login.TEST, installation_id=installation_id))
        renters, uses, start, now = _build()
        loaded = _load(stack, uses, each=max(1, intervals // len(uses)), start=start, now=now)
        return [
            Figure(
                code="cost", what=f"running cost of {what}, {intervals:,} intervals, p99", unit="ms",
                ours=percentile(times, 0.99), baseline=None, ratio=None, spread=None, goal=f"< {GOAL_MS:.0f} ms",
                meets_goal=percentile(times, 0.99) < GOAL_MS, cpu_s=cpu_s() - began,
                note=f"p50 {percentile(times, 0.5):.1f} ms; {loaded}",
            )
            for what, times in _ask(renters)
        ]  # fmt: skip


def _build() -> tuple[list[Any], list[_Use], datetime, datetime]:
    from billing.rating import month_bounds, month_of  # noqa: PLC0415 - Django is set up only now
    from marketplace.kernel import clock  # noqa: PLC0415
    from tests.market import add_renter, build_market  # noqa: PLC0415

    now = clock.floor_to_second(clock.now())
    start, _following = month_bounds(month_of(now))
    market = build_market(now=start - timedelta(days=2))
    renters = [add_renter(name=f"기관 {number}", quota=None, now=start) for number in range(TENANTS)]
    uses = [use for renter in renters for use in _add_instances(renter, market.offer, at=start)]
    return renters, uses, start, now


def _add_instances(renter: Any, offer: Any, *, at: datetime) -> list[_Use]:
    """One instance and term through the models, the others as copies of them."""
    from django.db import connection  # noqa: PLC0415

    from marketplace.instances.models import Instance, InstanceTerm  # noqa: PLC0415
    from marketplace.inventory.models import Seller  # noqa: PLC0415
    from marketplace.kernel import ids  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    with as_actor(STAFF), connection.cursor() as cursor:
        instance = Instance.objects.create(
            tenant=renter.tenant, project=renter.project, name="i", devices=1, image="a", state="ended",
            state_changed_at=at, queued_at=at, created_by_name="kim", created_at=at,
        )  # fmt: skip
        term = InstanceTerm.objects.create(
            tenant_id=renter.tenant.id, instance=instance, offer=offer, seller=Seller.objects.get(),
            selling_mode="brokered", price_version_id=ids.new_id(), price_micros_per_device_hour=PRICE_MICROS, agreed_at=at,
        )  # fmt: skip
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(_MORE_INSTANCES, [INSTANCES_PER_TENANT - 1, instance.id])
        cursor.execute(_MORE_TERMS, [term.id, renter.tenant.id, instance.id])
        rows = InstanceTerm.objects.filter(tenant_id=renter.tenant.id).values_list("instance_id", "id")
        return [
            _Use(tenant_id=renter.tenant.id, project_id=renter.project.id, instance_id=instance_id, term_id=term_id)
            for instance_id, term_id in rows
        ]


def _load(stack: Stack, uses: list[_Use], *, each: int, start: datetime, now: datetime) -> str:
    """Copy everything in as the owner; how long it took, in words."""
    url = stack.shared.access.url(database=DATABASE, login=Login.OWNER)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '256MB'; SET synchronous_commit = off")
        for table in _HIDDEN:
            connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        restoring = _strip(connection)
        began = time.perf_counter()
        with connection.cursor().copy(_COPY) as copy:
            for block in _rows(uses, each=each, start=start, now=now):
                copy.write(block)
        copied = time.perf_counter()
        for statement in [*restoring, _DAYS]:
            connection.execute(statement)
        for table in _HIDDEN:
            connection.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        connection.execute("VACUUM ANALYZE")
        ready = time.perf_counter()
    text = f"copied in {copied - began:.0f} s, indexes, keys and days in {ready - copied:.0f} s"
    sys.stdout.write(f"{each * len(uses):,} intervals {text}\n")
    return text


def _strip(connection: psycopg.Connection[Any]) -> list[Any]:
    """Drop what makes a copy slow; the statements that make it again, but for the exclusion of overlaps."""
    constraints = connection.execute(_PARTS).fetchall()
    indexes = connection.execute(_INDEXES).fetchall()
    for name, _definition in constraints:
        connection.execute(f"ALTER TABLE billing_usageinterval DROP CONSTRAINT {name} CASCADE")
    for name, _definition in indexes:
        connection.execute(f"DROP INDEX {name}")
    return [
        *(definition for _name, definition in indexes),
        *(
            f"ALTER TABLE billing_usageinterval ADD CONSTRAINT {name} {definition}"
            for name, definition in constraints
            if not definition.startswith("EXCLUDE")
        ),
    ]


def _rows(uses: list[_Use], *, each: int, start: datetime, now: datetime) -> Iterator[str]:
    """Text for COPY, instance after instance; the first forty of each tenant also run."""
    used, null = timedelta(seconds=USED_S), "\\N"
    step = timedelta(seconds=max((now - start) // each // timedelta(seconds=1), 2 * USED_S))
    spans = [(f"{start + step * n}", f"{start + step * n + used}") for n in range(each)]
    since = f"{now - timedelta(days=1)}"
    for number, use in enumerate(uses):
        shared = f"{use.tenant_id}\t{use.project_id}\tins\t{use.instance_id}\t{use.instance_id}\t{use.term_id}"
        lines = [
            f"{uuid.UUID(int=number * each + place)}\t{shared}\t0\tdevice\tmetered\t\t1\t{begin}\t{end}\t"
            f"{uuid.UUID(int=number * each + place)}\n"
            for place, (begin, end) in enumerate(spans)
        ]
        if number % INSTANCES_PER_TENANT < OPEN_PER_TENANT:
            lines.append(f"{uuid.uuid4()}\t{shared}\t1\tdevice\tmetered\t\t1\t{since}\t{null}\t{uuid.uuid4()}\n")
        yield "".join(lines)


def _ask(renters: list[Any]) -> Iterator[tuple[str, list[float]]]:
    from billing.costs import read_month_to_date, read_running_cost  # noqa: PLC0415
    from marketplace.instances.models import Instance  # noqa: PLC0415
    from marketplace.kernel import clock  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    with as_actor(STAFF):
        instances = [Instance.objects.filter(tenant=renter.tenant).order_by("id")[0] for renter in renters]
    asked: dict[str, Callable[[int], object]] = {
        "an instance": lambda n: read_running_cost(actor=renters[n].actor, instance=instances[n], now=clock.now()),
        "a project": lambda n: read_month_to_date(
            actor=renters[n].actor, now=clock.now(), project_id=renters[n].project.id
        ),
        "a tenant": lambda n: read_month_to_date(actor=renters[n].actor, now=clock.now()),
    }
    for what, read in asked.items():
        times = []
        for index in range(ROUNDS + TENANTS):
            began = time.perf_counter()
            with as_actor(renters[index % TENANTS].actor):
                read(index % TENANTS)
            times.append((time.perf_counter() - began) * 1_000)
        # The first question of each tenant finds nothing in the server's memory; a page is asked for more than once.
        yield what, times[TENANTS:]


def main() -> int:
    """Build, ask, print."""
    intervals = int(sys.argv[1]) if len(sys.argv) > 1 else INTERVALS
    for figure in bench_running_cost(intervals=intervals):
        sys.stdout.write("  ".join(figure.row()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

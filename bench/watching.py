"""What does a move of an instance cost when its tenant runs 2,000 others, and how long does a look at all of them take?

`python -m bench.watching [instances]` needs PostgreSQL alone. A move is what follows metering: marking the tenant, or looking at it
where it runs little. Processor time is that of this process and of its database session.
"""

import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.figures import spread_of
from bench.postings import SessionClock
from devstack.in_process import set_up_django
from devstack.postgres import Login
from devstack.stack import Stack

ROUNDS = 20
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def main() -> int:
    """Build tenants of 1, 50 and so many instances; print medians."""
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    with Stack() as stack:
        stack.postgres.start()
        stack.create_template()
        stack.create_database(name="watching")
        set_up_django(stack.environment(database="watching", login=Login.TEST, installation_id=uuid.uuid4()))
        for line in _measure([1, 50, many]):
            sys.stdout.write(line + "\n")
    return 0


def _measure(sizes: list[int]) -> list[str]:
    from billing.watch import watch_instances, watch_tenant  # noqa: PLC0415 - Django is set up only now
    from tests.billing.many import run_many  # noqa: PLC0415
    from tests.billing.paying import budget_for, prepay  # noqa: PLC0415
    from tests.market import STAFF, add_renter, build_market  # noqa: PLC0415

    market = build_market(now=NOW)
    lines = []
    for place, size in enumerate(sizes):
        renter = add_renter(name=f"기관 {place}", quota=None, now=NOW)
        prepay(renter, 9_000_000, now=NOW)
        budget_for(renter, 900_000_000_000, now=NOW)
        instance_ids = run_many(renter, market, size, since=NOW)
        seconds = iter(range(1, 10_000))

        def later(seconds: Any = seconds) -> datetime:
            return NOW + timedelta(seconds=next(seconds) / 10)

        def move(wanted: uuid.UUID = instance_ids[0], later: Callable[[], datetime] = later) -> None:
            watch_instances(actor=STAFF, instance_ids=[wanted], now=later())

        def look(tenant_id: uuid.UUID = renter.tenant.id, later: Callable[[], datetime] = later) -> None:
            watch_tenant(actor=STAFF, tenant_id=tenant_id, now=later())

        lines += [f"{size:,} running: {what} {_time(act)}" for what, act in (("a move", move), ("a look", look))]
    return lines


def _time(act: Callable[[], None]) -> str:
    act()
    clock = SessionClock()
    walls = []
    for _round in range(ROUNDS):
        with clock:
            act()
        walls.append(clock.last_s * 1_000)
    walls.sort()
    return (
        f"{walls[ROUNDS // 2]:.1f} ms (spread {spread_of(walls):.0%}), processor {clock.cpu_s * 1_000 / ROUNDS:.1f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())

"""R8: ledger postings per second, spread over many accounts and on one hot account, against one INSERT of the same rows.

The baseline writes the same transactions and postings into the same tables, one statement and one commit each, as the same role:
what a program would do that knows every id and trusts its caller. Ours checks the sums, hashes the input, looks the accounts up
and refuses a key that stands.
`python -m bench.postings` needs PostgreSQL alone.
"""

import itertools
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.figures import Figure, cpu_s, interleave
from bench.renting import ratio_figure
from devstack.in_process import set_up_django
from devstack.postgres import Login
from devstack.stack import Stack

ROUND: Final = 400
"""Transactions a round measures; two postings each."""
BATCH: Final = 200
TENANTS: Final = 50
PAIRS: Final = 8
_BASELINE: Final = """
WITH t AS (
    INSERT INTO billing_ledgertransaction (id, tenant_id, key, input_hash, occurred_at) VALUES (%s, %s, %s, %s, %s)
)
INSERT INTO billing_ledgerposting (id, tenant_id, transaction_id, account_id, amount_won)
VALUES (%s, %s, %s, %s, %s), (%s, %s, %s, %s, %s)
"""


def bench_postings() -> list[Figure]:
    """Both figures; Django is set up and its database is migrated."""
    books = _Books()
    return [
        _compare(
            "ledger transactions per second, spread over 50 tenants", goal=0.8,
            ours=partial(books.post_each, hot=False), baseline=partial(books.insert_each, hot=False),
        ),
        _compare(
            f"ledger transactions per second on one hot account, {BATCH} at once", goal=3.0,
            ours=books.post_batches, baseline=partial(books.insert_each, hot=True),
        ),
    ]  # fmt: skip


def _compare(what: str, *, ours: Callable[[], None], baseline: Callable[[], None], goal: float) -> Figure:
    """Both by the clock, and beside it by processor time, which a busy machine does not bend."""
    began = cpu_s()
    left, right = _Timed(ours), _Timed(baseline)
    rates = interleave(ours=left, baseline=right, pairs=PAIRS)
    figure = ratio_figure(
        code="R8", what=what, unit="/s", left=rates[0], right=rates[1], goal=goal, cpu=cpu_s() - began
    )
    used = f"processor {left.cpu_ms:.2f} and {right.cpu_ms:.2f} ms each: {right.cpu_ms / left.cpu_ms:.2f}"
    return replace(figure, note=f"{figure.note}; {used}")


class SessionClock:
    """Times blocks by the clock, and by the processor time of this process and of its database session."""

    def __init__(self) -> None:
        """Nothing is timed yet."""
        self.cpu_s = self.last_s = 0.0
        self._began = (0.0, 0.0)

    def __enter__(self) -> None:
        """Begin."""
        self._began = self._read_cpu(), time.perf_counter()

    def __exit__(self, *_error: object) -> None:
        """End; `last_s` is this block alone."""
        self.last_s = time.perf_counter() - self._began[1]
        self.cpu_s += self._read_cpu() - self._began[0]

    def _read_cpu(self) -> float:
        from django.db import connection  # noqa: PLC0415 - Django is set up only now

        connection.ensure_connection()
        session = connection.connection.info.backend_pid
        fields = Path(f"/proc/{session}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Timed:
    """A way of posting, with its rate and its processor time."""

    def __init__(self, run: Callable[[], None]) -> None:
        """Nothing is run."""
        self._run = run
        self._rounds = 0
        self._clock = SessionClock()

    def __call__(self) -> float:
        """Run a round; transactions per second."""
        with self._clock:
            self._run()
        self._rounds += 1
        return ROUND / self._clock.last_s

    @property
    def cpu_ms(self) -> float:
        """Of one transaction."""
        return self._clock.cpu_s * 1_000 / (ROUND * self._rounds)


class _Books:
    """Accounts to post to, and the ways to do it."""

    def __init__(self) -> None:
        """Open the accounts, and run each way once."""
        from billing.ledger import AccountKind, Entry, Posting  # noqa: PLC0415 - Django is set up only now
        from billing.models import LedgerAccount  # noqa: PLC0415
        from marketplace.kernel.actors import system_actor  # noqa: PLC0415

        self._actor = system_actor("bench")
        self._tenants = [uuid.uuid4() for _ in range(TENANTS)]
        self._seller = uuid.uuid4()
        self._numbers = itertools.count()
        self._at = datetime(2026, 11, 1, tzinfo=UTC)

        def entry(tenant: uuid.UUID) -> Entry:
            sides = (
                Posting(kind=AccountKind.RECEIVABLE, amount_won=1_100),
                Posting(kind=AccountKind.REVENUE, amount_won=-1_100),
            )
            return Entry(
                tenant_id=tenant,
                seller_id=self._seller,
                key=f"bench:{next(self._numbers)}",
                postings=sides,
                occurred_at=self._at,
            )

        self._entry = entry
        for tenant in self._tenants:
            self._post([entry(tenant)])
        with self._acting():
            rows = LedgerAccount.objects.filter(seller_id=self._seller).values_list("tenant_id", "kind", "id")
            self._accounts: dict[tuple[uuid.UUID, str], uuid.UUID] = {(row[0], row[1]): row[2] for row in rows}
        for _ in range(2):
            self.post_each(hot=False)
            self.insert_each(hot=False)
            self.post_batches()

    def _acting(self) -> Any:
        from marketplace.kernel.actors import as_actor  # noqa: PLC0415

        return as_actor(self._actor)

    def _post(self, entries: list[Any]) -> None:
        from billing.ledger import post_many  # noqa: PLC0415

        with self._acting():
            post_many(entries=entries)

    def _targets(self, *, hot: bool) -> Iterator[uuid.UUID]:
        return itertools.islice(itertools.cycle(self._tenants[:1] if hot else self._tenants), ROUND)

    def post_each(self, *, hot: bool) -> None:
        """Ours, one commit each."""
        for tenant in self._targets(hot=hot):
            self._post([self._entry(tenant)])

    def post_batches(self) -> None:
        """Ours on one account, a batch per commit."""
        for batch in _batches(self._targets(hot=True)):
            self._post([self._entry(tenant) for tenant in batch])

    def insert_each(self, *, hot: bool) -> None:
        """The baseline: one prepared statement and one commit each, as the same role."""
        from django.db import connection  # noqa: PLC0415

        for tenant in self._targets(hot=hot):
            key = f"bench:{next(self._numbers)}"
            transaction, sides = uuid.uuid4(), (("receivable", 1_100), ("revenue", -1_100))
            values: list[Any] = [transaction, tenant, key, bytes(32), self._at]
            for kind, amount in sides:
                values += [uuid.uuid4(), tenant, transaction, self._accounts[tenant, kind], amount]
            with self._acting(), connection.cursor() as cursor:
                cursor.execute(_BASELINE, values)


def _batches(targets: Iterator[uuid.UUID]) -> Iterator[list[uuid.UUID]]:
    while batch := list(itertools.islice(targets, BATCH)):
        yield batch


def main() -> int:
    """Measure on a PostgreSQL of its own and print."""
    with Stack() as stack:
        stack.postgres.start()
        stack.create_template()
        stack.create_database(name="bench")
        set_up_django(stack.environment(database="bench", login=Login.STAFF, installation_id=uuid.uuid4()))
        for figure in bench_postings():
            sys.stdout.write("  ".join(figure.row()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

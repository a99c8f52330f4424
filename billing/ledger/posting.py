"""Appending balanced transactions: one statement for any number of them.

A posting is an insert and nothing else. No row is shared between two posters of one account, so a hot account is as fast as a
quiet one: balances are folded later, in batches (`balances`). Many transactions at once cost one statement and one commit.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from billing.ledger.accounts import AccountKind
from billing.models import LedgerTransaction
from marketplace.kernel import ids
from marketplace.kernel.errors import ValidationFailed

POSTED_AT_ONCE_MAX: Final = 5_000
"""Transactions in one statement: at about 15 µs a posting a fifth of a second, far from the statement's time limit."""


class LedgerKeyReused(ValidationFailed):
    """The key was posted before with another input; nothing is written."""

    code = "ledger_key_reused"
    http_status = 409
    remedy = _("Post the other amounts under a key of their own.")

    def __init__(self, key: str) -> None:
        """Name the key."""
        super().__init__(reason=_("The key %(key)s was posted before with other amounts.") % {"key": key})


class LedgerUnbalanced(ValueError):
    """Debits and credits differ, or there is nothing to post; nothing is written."""


class LedgerAmountInvalid(ValueError):
    """An amount is not a whole number of won; nothing is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One side: debit positive, credit negative, whole won. Sides of nothing are left out when they are written."""

    kind: AccountKind
    amount_won: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transaction to be: what belongs together and sums to zero, of one tenant towards one seller.

    Attributes:
        key: What happened, e.g. `invoice:<id>`; posted once, whoever tries how often.
    """

    tenant_id: UUID
    seller_id: UUID
    key: str
    postings: tuple[Posting, ...]
    occurred_at: datetime


def post(
    *, tenant_id: UUID, seller_id: UUID, key: str, postings: Sequence[Posting], occurred_at: datetime
) -> LedgerTransaction:
    """Append a balanced transaction; the same key and input again returns the first one.

    Raises:
        LedgerUnbalanced: The amounts do not sum to zero (the database refuses it as well).
        LedgerAmountInvalid: An amount has a fraction.
        LedgerKeyReused: The key stands with another input.

    Requires an open transaction of a staff actor.
    """
    entry = Entry(tenant_id=tenant_id, seller_id=seller_id, key=key, postings=tuple(postings), occurred_at=occurred_at)
    posted = post_many(entries=[entry])
    return LedgerTransaction(
        id=posted[key],
        tenant_id=tenant_id,
        key=key,
        input_hash=hash_entry(entry),
        occurred_at=occurred_at,
    )


def post_many(*, entries: Sequence[Entry]) -> dict[str, UUID]:
    """Append balanced transactions, those whose key stands already left out; every transaction's id by key.

    All or nothing. Safe to repeat, also in parallel: a second poster of a key waits for the first to commit.

    Raises:
        LedgerUnbalanced, LedgerAmountInvalid, LedgerKeyReused: As `post`; nothing of the batch is written.
        ValueError: More than POSTED_AT_ONCE_MAX, or one key twice.

    Requires an open transaction of a staff actor.
    """
    if not entries:
        return {}
    by_key = {entry.key: entry for entry in entries}
    if len(entries) > POSTED_AT_ONCE_MAX or len(by_key) < len(entries):
        message = "post each key once, and not too many at once"
        raise ValueError(message)
    for entry in entries:
        _check(entry)
    # Two batches that share keys meet them in the same order and queue up instead of waiting for each other.
    ordered = [by_key[key] for key in sorted(by_key)]
    hashes = {entry.key: hash_entry(entry) for entry in ordered}
    _ensure_accounts(ordered)
    found = _insert_one(ordered[0], hashes[ordered[0].key]) if len(ordered) == 1 else _insert(ordered, hashes)
    missing = [key for key in hashes if key not in found]
    if missing:
        rows = LedgerTransaction.objects.filter(key__in=missing).values_list("key", "input_hash", "id")
        for key, input_hash, transaction_id in rows:
            if bytes(input_hash) != hashes[key]:
                raise LedgerKeyReused(key)
            found[key] = transaction_id
    return found


def hash_entry(entry: Entry) -> bytes:
    """SHA-256 of `tenant|seller|kind=amount,…` with kinds in order: `checks` makes the same text from the rows."""
    sums: dict[str, int] = {}
    for posting in entry.postings:
        sums[posting.kind.value] = sums.get(posting.kind.value, 0) + posting.amount_won
    sides = ",".join(f"{kind}={amount}" for kind, amount in sorted(sums.items()) if amount)
    return hashlib.sha256(f"{entry.tenant_id}|{entry.seller_id}|{sides}".encode()).digest()


def _check(entry: Entry) -> None:
    if any(type(posting.amount_won) is not int for posting in entry.postings):
        message = f"{entry.key}: amounts are whole won"
        raise LedgerAmountInvalid(message)
    if sum(posting.amount_won for posting in entry.postings) != 0:
        message = f"{entry.key}: debits and credits differ"
        raise LedgerUnbalanced(message)
    if not any(posting.amount_won for posting in entry.postings):
        message = f"{entry.key}: there is nothing to post"
        raise LedgerUnbalanced(message)


_INSERT: Final = """
WITH written AS (
    INSERT INTO billing_ledgertransaction (id, tenant_id, key, input_hash, occurred_at)
    SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::bytea[], %s::timestamptz[])
    ON CONFLICT (key) DO NOTHING RETURNING id, key
), posted AS (
    INSERT INTO billing_ledgerposting (id, tenant_id, transaction_id, account_id, amount_won)
    SELECT p.id, p.tenant_id, p.transaction_id, a.id, p.amount_won
    FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::bigint[])
        AS p(id, tenant_id, transaction_id, seller_id, kind, amount_won)
    JOIN billing_ledgeraccount a
        ON a.tenant_id = p.tenant_id AND a.seller_id = p.seller_id AND a.kind = p.kind AND a.currency = 'KRW'
    WHERE p.transaction_id IN (SELECT id FROM written)
    RETURNING transaction_id
)
SELECT w.key, w.id, (SELECT count(*) FROM posted) FROM written w
"""
"""Both tables in one statement, so that the database's check of the sums sees whole transactions."""


_INSERT_ONE: Final = """
WITH written AS (
    INSERT INTO billing_ledgertransaction (id, tenant_id, key, input_hash, occurred_at) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (key) DO NOTHING RETURNING id, tenant_id
), posted AS (
    INSERT INTO billing_ledgerposting (id, tenant_id, transaction_id, account_id, amount_won)
    SELECT p.id, w.tenant_id, w.id, a.id, p.amount_won
    FROM written w CROSS JOIN (VALUES SIDES) AS p(id, kind, amount_won)
    JOIN billing_ledgeraccount a
        ON a.tenant_id = %s AND a.seller_id = %s AND a.kind = p.kind AND a.currency = 'KRW'
    RETURNING 1
)
SELECT w.id, (SELECT count(*) FROM posted) FROM written w
"""
"""The same for one transaction, whose plain values cost a third less than arrays of one."""


def _insert_one(entry: Entry, digest: bytes) -> dict[str, UUID]:
    sides = list(_sum_sides(entry))
    statement = _INSERT_ONE.replace("SIDES", ", ".join(["(%s::uuid, %s::text, %s::bigint)"] * len(sides)))
    parameters: list[Any] = [ids.new_id(), entry.tenant_id, entry.key, digest, entry.occurred_at]
    for kind, amount in sides:
        parameters += [ids.new_id(), kind, amount]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*parameters, entry.tenant_id, entry.seller_id])
        row = cursor.fetchone()
    if row is None:
        return {}
    if row[1] != len(sides):
        message = "an account is missing"
        raise RuntimeError(message)
    return {entry.key: row[0]}


def _insert(entries: Sequence[Entry], hashes: dict[str, bytes]) -> dict[str, UUID]:
    """Write what does not stand yet; the ids of what was written, by key."""
    transaction_ids = [ids.new_id() for _entry in entries]
    sides = [
        (ids.new_id(), entry.tenant_id, transaction_id, entry.seller_id, kind, amount)
        for entry, transaction_id in zip(entries, transaction_ids, strict=True)
        for kind, amount in _sum_sides(entry)
    ]
    columns = [list(column) for column in zip(*sides, strict=True)]
    parameters: list[Any] = [
        transaction_ids,
        [entry.tenant_id for entry in entries],
        [entry.key for entry in entries],
        [hashes[entry.key] for entry in entries],
        [entry.occurred_at for entry in entries],
        *columns,
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, parameters)
        rows = cursor.fetchall()
    written = {row[0]: row[1] for row in rows}
    new = set(written.values())
    if rows and rows[0][2] != sum(1 for side in sides if side[2] in new):
        message = "an account is missing"
        raise RuntimeError(message)
    return written


def _sum_sides(entry: Entry) -> Iterable[tuple[str, int]]:
    sums: dict[str, int] = {}
    for posting in entry.postings:
        sums[posting.kind.value] = sums.get(posting.kind.value, 0) + posting.amount_won
    return [(kind, amount) for kind, amount in sums.items() if amount]


Account = tuple[UUID, UUID, str]
_known: dict[str, set[Account]] = {}
"""Accounts that this process saw committed, by database; accounts are never deleted, so it can only be too small."""
_KNOWN_MAX: Final = 200_000
_OPEN: Final = """
INSERT INTO billing_ledgeraccount (id, tenant_id, seller_id, kind, currency)
SELECT id, tenant_id, seller_id, kind, 'KRW' FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[])
    AS a(id, tenant_id, seller_id, kind)
ON CONFLICT (tenant_id, seller_id, kind, currency) DO NOTHING
"""


def _ensure_accounts(entries: Sequence[Entry]) -> None:
    database = str(connection.settings_dict["NAME"])
    needed = {(entry.tenant_id, entry.seller_id, posting.kind.value) for entry in entries for posting in entry.postings}
    unknown = sorted(needed - _known.get(database, set()))
    if not unknown:
        return
    tenants, sellers, kinds = zip(*unknown, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [[ids.new_id() for _account in unknown], list(tenants), list(sellers), list(kinds)])
    transaction.on_commit(partial(_remember, database, frozenset(unknown)))


def _remember(database: str, accounts: frozenset[Account]) -> None:
    known = _known.setdefault(database, set())
    if len(known) > _KNOWN_MAX:
        known.clear()
    known.update(accounts)

"""Balances: a stored sum for each account, and the postings since. Rebuildable from the postings at any time.

A stored balance holds every posting whose database transaction is older than `folded_xid`; a reader adds the younger ones, so
that a balance is exact at once although nobody updates it while posting. Folding moves the border up to the oldest transaction
that still runs (kernel.feeds): whatever lies below it can get no late companions.
"""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from django.db import connection

from billing.ledger.accounts import AccountKind

_READ: Final = """
SELECT a.tenant_id, a.seller_id, a.kind, coalesce(b.balance_won, 0) + coalesce((
    SELECT sum(p.amount_won) FROM billing_ledgerposting p WHERE p.account_id = a.id AND p.xid >= coalesce(b.folded_xid, 0)
), 0)
FROM billing_ledgeraccount a LEFT JOIN billing_ledgerbalance b ON b.account_id = a.id
WHERE a.tenant_id = ANY(%s) AND a.kind = ANY(%s)
"""


def read_balances(
    *, tenant_ids: Iterable[UUID], kinds: Iterable[AccountKind]
) -> Mapping[tuple[UUID, UUID, AccountKind], int]:
    """Balances in won by (tenant, seller, kind), debit positive, exact at the moment of reading; one query.

    Accounts that nothing was posted to are missing: their balance is 0.
    """
    with connection.cursor() as cursor:
        cursor.execute(_READ, [list(tenant_ids), [kind.value for kind in kinds]])
        return {(row[0], row[1], AccountKind(row[2])): int(row[3]) for row in cursor.fetchall()}


def read_balance(*, tenant_id: UUID, seller_id: UUID, kind: AccountKind) -> int:
    """One account's balance in won, debit positive."""
    return read_balances(tenant_ids=[tenant_id], kinds=[kind]).get((tenant_id, seller_id, kind), 0)


_ALONE: Final = "LOCK TABLE billing_ledgerbalance IN SHARE ROW EXCLUSIVE MODE"
"""Two folds must not add the same postings; readers and posters are not held up."""
_FOLD: Final = """
INSERT INTO billing_ledgerbalance AS stored (account_id, tenant_id, balance_won, folded_xid)
SELECT a.id, a.tenant_id, coalesce(b.balance_won, 0) + tail.amount_won, h.xid
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid) h
CROSS JOIN billing_ledgeraccount a LEFT JOIN billing_ledgerbalance b ON b.account_id = a.id
CROSS JOIN LATERAL (
    SELECT sum(p.amount_won) AS amount_won, count(*) AS postings FROM billing_ledgerposting p
    WHERE p.account_id = a.id AND p.xid >= coalesce(b.folded_xid, 0) AND p.xid < h.xid
) tail
WHERE tail.postings > 0
ON CONFLICT (account_id) DO UPDATE SET balance_won = EXCLUDED.balance_won, folded_xid = EXCLUDED.folded_xid
"""
_REBUILD: Final = """
INSERT INTO billing_ledgerbalance AS stored (account_id, tenant_id, balance_won, folded_xid)
SELECT a.id, a.tenant_id, coalesce(sum(p.amount_won), 0), h.xid
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid) h
CROSS JOIN billing_ledgeraccount a LEFT JOIN billing_ledgerposting p ON p.account_id = a.id AND p.xid < h.xid
GROUP BY a.id, a.tenant_id, h.xid
ON CONFLICT (account_id) DO UPDATE SET balance_won = EXCLUDED.balance_won, folded_xid = EXCLUDED.folded_xid
    WHERE stored.balance_won <> EXCLUDED.balance_won OR stored.folded_xid <> EXCLUDED.folded_xid
"""


def fold_balances() -> int:
    """Add what was posted since the last time to the stored balances; how many changed. Safe to repeat and to run twice.

    Requires an open transaction of a staff actor; locks the stored balances against other folds until it ends.
    """
    return _run(_FOLD)


def rebuild_balances() -> int:
    """Make every stored balance anew from the postings; how many accounts there are. Safe to repeat.

    Requires and locks as `fold_balances`.
    """
    return _run(_REBUILD)


def _run(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_ALONE)
        cursor.execute(statement)
        return int(cursor.rowcount)

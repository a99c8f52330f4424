"""The ledger as operators browse it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Prefetch, QuerySet

from billing.ledger.accounts import DEBIT_KINDS, AccountKind
from billing.models import LedgerPosting, LedgerTransaction

BALANCES_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBalance:
    """An account's balance with the names of its parties, on the side where it usually stands."""

    tenant_id: UUID
    tenant: str
    seller: str
    kind: AccountKind
    amount_won: int


_NAMED: Final = """
SELECT a.tenant_id, t.name, coalesce(s.legal_name, ''), a.kind, coalesce(b.balance_won, 0) + coalesce((
    SELECT sum(p.amount_won) FROM billing_ledgerposting p WHERE p.account_id = a.id AND p.xid >= coalesce(b.folded_xid, 0)
), 0)
FROM billing_ledgeraccount a
JOIN tenants_tenant t ON t.id = a.tenant_id
LEFT JOIN inventory_seller s ON s.id = a.seller_id
LEFT JOIN billing_ledgerbalance b ON b.account_id = a.id
WHERE %s::uuid IS NULL OR a.tenant_id = %s::uuid
ORDER BY t.name, s.legal_name, a.kind LIMIT %s
"""


def list_named_balances(*, tenant_id: UUID | None = None) -> Sequence[NamedBalance]:
    """Accounts of a tenant, or of all, by name; at most BALANCES_MAX. One query, exact at the moment of reading."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMED, [tenant_id, tenant_id, BALANCES_MAX])
        rows = cursor.fetchall()
    return [
        NamedBalance(
            tenant_id=row[0],
            tenant=row[1],
            seller=row[2],
            kind=AccountKind(row[3]),
            amount_won=int(row[4]) if AccountKind(row[3]) in DEBIT_KINDS else -int(row[4]),
        )
        for row in rows
    ]


def list_transactions(*, tenant_id: UUID | None = None) -> QuerySet[LedgerTransaction]:
    """Transactions, newest first, with their postings and accounts."""
    rows = (
        LedgerTransaction.objects.all() if tenant_id is None else LedgerTransaction.objects.filter(tenant_id=tenant_id)
    )
    postings = LedgerPosting.objects.select_related("account").order_by("-amount_won")
    return rows.order_by("-id").prefetch_related(Prefetch("postings", queryset=postings))

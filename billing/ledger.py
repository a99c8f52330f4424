"""The only writer of the ledger: balanced transactions in whole won, each under a key, never changed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import connection

from billing.models import LedgerAccount, LedgerPosting, LedgerTransaction


class AccountKind(StrEnum):
    """Accounts of a tenant towards a seller."""

    RECEIVABLE = "receivable"
    REVENUE = "revenue"
    VAT_PAYABLE = "vat_payable"


class LedgerKeyReused(Exception):
    """The key was posted before with another input; nothing is written."""


class LedgerUnbalanced(ValueError):
    """Debits and credits differ; nothing is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One side: debit positive, credit negative, whole won."""

    kind: AccountKind
    amount_won: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a check found first."""

    what: str
    expected_won: int
    actual_won: int


def post(
    *, tenant_id: UUID, seller_id: UUID, key: str, postings: Sequence[Posting], occurred_at: datetime
) -> LedgerTransaction:
    """Append a balanced transaction; the same key and input again returns the first one.

    Raises:
        LedgerUnbalanced: The amounts do not sum to zero (the database refuses it as well).
        LedgerKeyReused: The key stands with another input.

    Requires an open transaction of a staff actor.
    """
    if sum(posting.amount_won for posting in postings) != 0:
        message = f"{key}: debits and credits differ"
        raise LedgerUnbalanced(message)
    body = [str(tenant_id), str(seller_id), [[posting.kind, posting.amount_won] for posting in postings]]
    digest = hashlib.sha256(json.dumps(body).encode()).digest()
    existing = LedgerTransaction.objects.filter(key=key).first()
    if existing is not None:
        if bytes(existing.input_hash) != digest:
            raise LedgerKeyReused(key)
        return existing
    transaction = LedgerTransaction.objects.create(
        tenant_id=tenant_id, key=key, input_hash=digest, occurred_at=occurred_at
    )
    LedgerPosting.objects.bulk_create(
        LedgerPosting(
            tenant_id=tenant_id,
            transaction=transaction,
            account=_account(tenant_id=tenant_id, seller_id=seller_id, kind=posting.kind),
            amount_won=posting.amount_won,
        )
        for posting in postings
        if posting.amount_won != 0
    )
    return transaction


def _account(*, tenant_id: UUID, seller_id: UUID, kind: AccountKind) -> LedgerAccount:
    account, _created = LedgerAccount.objects.get_or_create(tenant_id=tenant_id, seller_id=seller_id, kind=kind)
    return account


_UNBALANCED = """
SELECT t.key, coalesce(sum(p.amount_won), 0) FROM billing_ledgertransaction t
LEFT JOIN billing_ledgerposting p ON p.transaction_id = t.id
GROUP BY t.id, t.key HAVING coalesce(sum(p.amount_won), 0) <> 0 ORDER BY t.key LIMIT 1
"""
_INVOICES_OFF = """
SELECT i.number, i.total_won, coalesce(sum(p.amount_won), 0) FROM billing_invoice i
LEFT JOIN billing_ledgertransaction t ON t.key = 'invoice:' || i.id::text
LEFT JOIN billing_ledgerposting p ON p.transaction_id = t.id
    AND p.account_id IN (SELECT a.id FROM billing_ledgeraccount a WHERE a.kind = 'receivable')
GROUP BY i.id, i.number, i.total_won HAVING coalesce(sum(p.amount_won), 0) <> i.total_won ORDER BY i.number LIMIT 1
"""
_LINES_OFF = """
SELECT i.number, i.supply_won, coalesce(sum(l.supply_won), 0) FROM billing_invoice i
LEFT JOIN billing_invoiceline l ON l.invoice_id = i.id
GROUP BY i.id, i.number, i.supply_won HAVING coalesce(sum(l.supply_won), 0) <> i.supply_won ORDER BY i.number LIMIT 1
"""
_CHARGES_OFF = """
SELECT i.number || ' line ' || l.position, l.numerator, coalesce(sum(c.numerator), 0) FROM billing_invoiceline l
JOIN billing_invoice i ON i.id = l.invoice_id
LEFT JOIN billing_charge c ON c.invoice_line_id = l.id
GROUP BY l.id, i.number, l.position, l.numerator HAVING coalesce(sum(c.numerator), 0) <> l.numerator LIMIT 1
"""


def find_difference() -> Difference | None:
    """Re-add everything from the rows and name the first difference; None when all of it adds up. Reads only."""
    with connection.cursor() as cursor:
        cursor.execute(_UNBALANCED)
        if row := cursor.fetchone():
            return Difference(what=f"transaction {row[0]} does not balance", expected_won=0, actual_won=int(row[1]))
        for what, query in (
            ("receivable of invoice", _INVOICES_OFF),
            ("lines of invoice", _LINES_OFF),
            ("charges of invoice", _CHARGES_OFF),
        ):
            cursor.execute(query)
            if row := cursor.fetchone():
                return Difference(what=f"{what} {row[0]}", expected_won=int(row[1]), actual_won=int(row[2]))
    return None

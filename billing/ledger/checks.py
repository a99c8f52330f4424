"""Re-adding everything: the ledger against itself and against what it was posted from. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a check found first.

    Attributes:
        check: Which of `CHECKS`.
        name: The row, as people call it: a transaction's key, an account, an invoice's number.
    """

    check: str
    name: str
    expected_won: int
    actual_won: int

    @property
    def what(self) -> str:
        """The row named in a sentence, in the reader's language."""
        return str(_SENTENCES[self.check]) % {"name": self.name}


_SENTENCES: Final[Mapping[str, Promise]] = {
    "transaction_balance": _("transaction %(name)s does not balance"),
    "transaction_hash": _("postings of transaction %(name)s are not those that were posted"),
    "stored_balance": _("stored balance of account %(name)s"),
    "invoice_receivable": _("receivable of invoice %(name)s"),
    "invoice_lines": _("lines of invoice %(name)s"),
    "invoice_charges": _("charges of invoice %(name)s"),
}
CHECKS: Final = (
    (
        "transaction_balance",
        """
        SELECT t.key, 0, coalesce(sum(p.amount_won), 0) FROM billing_ledgertransaction t
        LEFT JOIN billing_ledgerposting p ON p.transaction_id = t.id
        GROUP BY t.id, t.key HAVING coalesce(sum(p.amount_won), 0) <> 0 OR count(p.id) < 2 ORDER BY t.key LIMIT 1
        """,
    ),
    (
        "transaction_hash",
        """
        SELECT t.key, 0, sum(abs(p.amount_won)) FROM billing_ledgertransaction t
        JOIN billing_ledgerposting p ON p.transaction_id = t.id JOIN billing_ledgeraccount a ON a.id = p.account_id
        GROUP BY t.id, t.key, t.tenant_id, t.input_hash
        HAVING t.input_hash <> sha256(convert_to(t.tenant_id::text || '|' || min(a.seller_id::text) || '|'
            || string_agg(a.kind || '=' || p.amount_won::text, ',' ORDER BY a.kind COLLATE "C"), 'UTF8'))
        ORDER BY t.key LIMIT 1
        """,
    ),
    (
        "stored_balance",
        """
        SELECT a.kind || ' ' || a.id::text, coalesce(sum(p.amount_won), 0), b.balance_won FROM billing_ledgerbalance b
        JOIN billing_ledgeraccount a ON a.id = b.account_id
        LEFT JOIN billing_ledgerposting p ON p.account_id = b.account_id AND p.xid < b.folded_xid
        GROUP BY a.id, a.kind, b.balance_won HAVING coalesce(sum(p.amount_won), 0) <> b.balance_won ORDER BY a.id LIMIT 1
        """,
    ),
    (
        "invoice_receivable",
        """
        SELECT i.number, i.total_won, coalesce(sum(p.amount_won), 0) FROM billing_invoice i
        LEFT JOIN billing_ledgertransaction t ON t.key = 'invoice:' || i.id::text
        LEFT JOIN billing_ledgerposting p ON p.transaction_id = t.id
            AND p.account_id IN (SELECT a.id FROM billing_ledgeraccount a WHERE a.kind = 'receivable')
        GROUP BY i.id, i.number, i.total_won HAVING coalesce(sum(p.amount_won), 0) <> i.total_won ORDER BY i.number LIMIT 1
        """,
    ),
    (
        "invoice_lines",
        """
        SELECT i.number, i.supply_won, coalesce(sum(l.supply_won), 0) FROM billing_invoice i
        LEFT JOIN billing_invoiceline l ON l.invoice_id = i.id
        GROUP BY i.id, i.number, i.supply_won HAVING coalesce(sum(l.supply_won), 0) <> i.supply_won
        ORDER BY i.number LIMIT 1
        """,
    ),
    (
        "invoice_charges",
        """
        SELECT i.number || ' line ' || l.position, l.numerator, coalesce(sum(c.numerator), 0) FROM billing_invoiceline l
        JOIN billing_invoice i ON i.id = l.invoice_id
        LEFT JOIN billing_charge c ON c.invoice_line_id = l.id
        GROUP BY l.id, i.number, l.position, l.numerator HAVING coalesce(sum(c.numerator), 0) <> l.numerator
        ORDER BY i.number, l.position LIMIT 1
        """,
    ),
)
"""Each check, and how: one row of a name, what is expected and what is there."""


def find_difference() -> Difference | None:
    """Re-add everything from the rows and name the first difference; None when all of it adds up."""
    with connection.cursor() as cursor:
        # Nightly and over every row; a request's limit would be too short.
        cursor.execute("SET LOCAL statement_timeout = 0")
        for check, query in CHECKS:
            cursor.execute(query)
            if row := cursor.fetchone():
                return Difference(check=check, name=row[0], expected_won=int(row[1]), actual_won=int(row[2]))
    return None

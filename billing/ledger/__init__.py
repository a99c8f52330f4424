"""The only writer of the ledger: balanced transactions in whole won, each under a key, never changed.

`posting` appends, `balances` folds what was appended into stored balances and reads them, `checks` re-adds everything.
"""

from billing.ledger.accounts import DEBIT_KINDS, AccountKind
from billing.ledger.balances import fold_balances, read_balance, read_balances, rebuild_balances
from billing.ledger.checks import Difference, find_difference
from billing.ledger.posting import (
    Entry,
    LedgerAmountInvalid,
    LedgerKeyReused,
    LedgerUnbalanced,
    Posting,
    post,
    post_many,
)

__all__ = [
    "DEBIT_KINDS",
    "AccountKind",
    "Difference",
    "Entry",
    "LedgerAmountInvalid",
    "LedgerKeyReused",
    "LedgerUnbalanced",
    "Posting",
    "find_difference",
    "fold_balances",
    "post",
    "post_many",
    "read_balance",
    "read_balances",
    "rebuild_balances",
]

"""Commitments and discounts: what a payer agreed beyond the price.

`signing` writes agreements, `due` works out what they add up to now, `accounting` writes the difference as charges, `pending`
says what is due and not written yet, `reading` shows them.
"""

from billing.agreements.accounting import account_due, account_payer, list_payers_with_agreements
from billing.agreements.pending import Pending, read_pending
from billing.agreements.signing import CommitmentDraft, DiscountDraft, grant_discount, sign_commitment

__all__ = [
    "CommitmentDraft",
    "DiscountDraft",
    "Pending",
    "account_due",
    "account_payer",
    "grant_discount",
    "list_payers_with_agreements",
    "read_pending",
    "sign_commitment",
]

"""The accounts that a tenant has towards a seller. Pure."""

from enum import StrEnum
from typing import Final


class AccountKind(StrEnum):
    """Debit positive: what is owed to us or was received; credit negative: what we owe or have earned.

    Attributes:
        RECEIVABLE: Invoiced and not paid.
        BANK: Received by transfer.
        CREDIT: Paid ahead and not used, VAT apart.
        CREDIT_VAT: The VAT that was paid ahead with it; becomes VAT payable with the invoice.
        SETTLED: Credit used, not invoiced yet: what the month's invoice will be paid with.
        EXPIRED_CREDIT: Credit whose time ran out before it was used.
        GRANT: Borne by a programme.
        REVENUE: Invoiced supply values.
        VAT_PAYABLE: Invoiced VAT.
        PLATFORM_FEE: The operator's share of what was sold for a provider.
        PROVIDER_PAYABLE: The provider's share of what the operator collects.
    """

    RECEIVABLE = "receivable"
    BANK = "bank"
    CREDIT = "credit"
    CREDIT_VAT = "credit_vat"
    SETTLED = "settled"
    EXPIRED_CREDIT = "expired_credit"
    GRANT = "grant"
    REVENUE = "revenue"
    VAT_PAYABLE = "vat_payable"
    PLATFORM_FEE = "platform_fee"
    PROVIDER_PAYABLE = "provider_payable"


DEBIT_KINDS: Final = frozenset({AccountKind.RECEIVABLE, AccountKind.BANK, AccountKind.GRANT})
"""Accounts whose balance is usually a debit; the others' is shown with its sign turned."""

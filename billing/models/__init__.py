"""Billing tables."""

from billing.models.charge import Charge
from billing.models.invoice import Invoice, InvoiceLine, InvoiceSeries
from billing.models.ledger import LedgerAccount, LedgerBalance, LedgerPosting, LedgerTransaction
from billing.models.price_version import PriceVersion
from billing.models.usage_interval import UsageInterval, UsageKind

__all__ = [
    "Charge",
    "Invoice",
    "InvoiceLine",
    "InvoiceSeries",
    "LedgerAccount",
    "LedgerBalance",
    "LedgerPosting",
    "LedgerTransaction",
    "PriceVersion",
    "UsageInterval",
    "UsageKind",
]

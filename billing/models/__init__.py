"""Billing tables."""

from billing.models.charge import Charge, ChargeKind
from billing.models.cost_day import CostDay
from billing.models.invoice import Invoice, InvoiceLine, InvoiceSeries
from billing.models.ledger import LedgerAccount, LedgerBalance, LedgerPosting, LedgerTransaction
from billing.models.outage_application import OutageApplication
from billing.models.price_version import PricePlan, PriceTerms, PriceUnit, PriceVersion
from billing.models.term_change import ChangeAnswer, TermChange
from billing.models.usage_interval import UsageInterval, UsageKind

__all__ = [
    "ChangeAnswer",
    "Charge",
    "ChargeKind",
    "CostDay",
    "Invoice",
    "InvoiceLine",
    "InvoiceSeries",
    "LedgerAccount",
    "LedgerBalance",
    "LedgerPosting",
    "LedgerTransaction",
    "OutageApplication",
    "PricePlan",
    "PriceTerms",
    "PriceUnit",
    "PriceVersion",
    "TermChange",
    "UsageInterval",
    "UsageKind",
]

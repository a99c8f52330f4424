"""Billing tables."""

from billing.models.agreement import Commitment, Discount
from billing.models.budget import Budget, BudgetPeriod, OnLimit
from billing.models.charge import Charge, ChargeKind
from billing.models.cost_day import CostDay
from billing.models.credit import (
    CreditAccount,
    CreditDraw,
    CreditLot,
    CreditMovement,
    CreditStage,
    MovementKind,
    SpendHold,
    TopUp,
)
from billing.models.invoice import Invoice, InvoiceLine, InvoiceSeries
from billing.models.ledger import LedgerAccount, LedgerBalance, LedgerPosting, LedgerTransaction
from billing.models.outage_application import OutageApplication
from billing.models.price_book import BookState, PriceBook, PriceBookEntry
from billing.models.price_version import PricePlan, PriceTerms, PriceUnit, PriceVersion
from billing.models.term_change import ChangeAnswer, TermChange
from billing.models.usage_event import UsageEvent, UsageEventType
from billing.models.usage_interval import UsageInterval, UsageKind

__all__ = [
    "BookState",
    "Budget",
    "BudgetPeriod",
    "ChangeAnswer",
    "Charge",
    "ChargeKind",
    "Commitment",
    "CostDay",
    "CreditAccount",
    "CreditDraw",
    "CreditLot",
    "CreditMovement",
    "CreditStage",
    "Discount",
    "Invoice",
    "InvoiceLine",
    "InvoiceSeries",
    "LedgerAccount",
    "LedgerBalance",
    "LedgerPosting",
    "LedgerTransaction",
    "MovementKind",
    "OnLimit",
    "OutageApplication",
    "PriceBook",
    "PriceBookEntry",
    "PricePlan",
    "PriceTerms",
    "PriceUnit",
    "PriceVersion",
    "SpendHold",
    "TermChange",
    "TopUp",
    "UsageEvent",
    "UsageEventType",
    "UsageInterval",
    "UsageKind",
]

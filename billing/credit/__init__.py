"""Credit: money paid ahead by a billing profile to a seller. Top-ups in, use and expiry out, and what is left of it now."""

from billing.credit.accounts import PaymentModeLocked, find_or_open_account, set_payment_mode
from billing.credit.settling import expire_lots, settle_account, settle_due
from billing.credit.state import CreditState, read_state
from billing.credit.topping_up import (
    PaymentReused,
    SecondPersonNeeded,
    TopUpDecided,
    decide_top_up,
    record_top_up,
    split_vat,
)

__all__ = [
    "CreditState",
    "PaymentModeLocked",
    "PaymentReused",
    "SecondPersonNeeded",
    "TopUpDecided",
    "decide_top_up",
    "expire_lots",
    "find_or_open_account",
    "read_state",
    "record_top_up",
    "set_payment_mode",
    "settle_account",
    "settle_due",
    "split_vat",
]

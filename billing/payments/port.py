"""What every way of paying hands over: a payment that has arrived. Pure.

A way of paying (bank transfer, card, a domestic gateway) turns what it was told into a `Payment` or refuses it; nothing behind
the port knows where a payment came from.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.translation import gettext_lazy as _

from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.money import CURRENCY, format_won

PAYMENT_WON_MAX: Final = 100_000_000_000
"""A hundred thousand million won: more is a slip of the keyboard."""
REFERENCE_CHARACTERS_MAX: Final = 80
_WON: Final = re.compile(r"[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4}")
"""A comma separates thousands and nothing else: `1,5` is no fifteen won."""


class CurrencyNotAccepted(ValidationFailed):
    """Only won are taken; nothing was written."""

    code = "currency_not_accepted"
    remedy = _("Pay in won, or have the bank convert it and record what arrived.")


class PaymentAmountInvalid(ValidationFailed):
    """A payment is a positive, whole number of won; nothing was written."""

    code = "payment_amount_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money that has arrived.

    Attributes:
        paid_won: VAT included.
        method: The way, e.g. `bank_transfer`.
        reference: The way's own name of the payment; the same payment is booked once.
    """

    paid_won: int
    method: str
    reference: str
    received_at: datetime


def check_payment(*, paid_won: int, currency: str, method: str, reference: str, received_at: datetime) -> Payment:
    """A payment whose members can be used.

    Raises:
        CurrencyNotAccepted: Another currency than won.
        PaymentAmountInvalid: Not a positive whole number, or absurdly large.
        ValidationFailed: No reference, or one that is too long.
    """
    if currency != CURRENCY:
        raise CurrencyNotAccepted(
            reason=_("%(currency)s is not accepted; only KRW is.") % {"currency": currency[:10] or "–"},
            pointer="/currency",
        )
    if type(paid_won) is not int or paid_won <= 0:
        raise PaymentAmountInvalid(reason=_("A payment is a whole number of won, more than 0."), pointer="/paid")
    if paid_won > PAYMENT_WON_MAX:
        raise PaymentAmountInvalid(
            reason=_("A payment is at most %(most)s.") % {"most": format_won(PAYMENT_WON_MAX)}, pointer="/paid"
        )
    if not reference.strip() or len(reference) > REFERENCE_CHARACTERS_MAX:
        raise ValidationFailed(reason=_("A reference has 1 to 80 characters."), pointer="/reference")
    return Payment(paid_won=paid_won, method=method, reference=reference.strip(), received_at=received_at)


def parse_won(text: str) -> int:
    """Whole won from a form: digits, with or without separators of thousands.

    Raises:
        PaymentAmountInvalid: Negative, fractional, or not a number.
    """
    digits = text.strip().removeprefix("₩").removesuffix("원").strip()
    if _WON.fullmatch(digits) is None:
        raise PaymentAmountInvalid(reason=_("A payment is a whole number of won, more than 0."), pointer="/paid")
    return int(digits.replace(",", ""))

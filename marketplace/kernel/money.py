"""Exact money: prices in micros (millionths of a won), ledger amounts in whole won, charges as exact numerators.

A charge's numerator is `price_micros_per_device_hour x device_seconds`; a won is 3.6e9 of it. Nothing here is a float.
"""

import re
from functools import lru_cache
from typing import Final

_DECIMAL: Final = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]{1,18})(?:\.(?P<fraction>[0-9]{1,6}))?")
MICROS_PER_WON: Final = 1_000_000
SECONDS_PER_HOUR: Final = 3_600
NUMERATOR_PER_WON: Final = MICROS_PER_WON * SECONDS_PER_HOUR
CURRENCY: Final = "KRW"
"""Won has no decimals; Stripe calls such currencies zero-decimal (never multiply by 100)."""


def round_half_up(*, numerator: int, denominator: int) -> int:
    """`numerator / denominator` to the nearest integer, halves away from zero.

    Raises:
        ValueError: The denominator is not positive.
    """
    if denominator <= 0:
        message = "the denominator must be positive"
        raise ValueError(message)
    quotient, rest = divmod(abs(numerator), denominator)
    rounded = quotient + (1 if 2 * rest >= denominator else 0)
    return rounded if numerator >= 0 else -rounded


def won_from_numerator(numerator: int) -> int:
    """Whole won for an exact charge numerator, rounded half up; called once per invoice line and nowhere else."""
    return round_half_up(numerator=numerator, denominator=NUMERATOR_PER_WON)


@lru_cache(maxsize=4_096)
def won_text_from_micros(micros: int) -> str:
    """A price in micros as a decimal string of won without superfluous zeros: 4500000000 -> "4500", 1500000 -> "1.5"."""
    sign = "-" if micros < 0 else ""
    whole, fraction = divmod(abs(micros), MICROS_PER_WON)
    digits = f"{fraction:06d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def micros_from_won_text(text: str) -> int:
    """The inverse of `won_text_from_micros`; at most six decimals.

    Raises:
        ValueError: Not a plain decimal number, or finer than a micro.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        message = f"not a decimal amount of won: {text!r}"
        raise ValueError(message)
    sign, whole, fraction = match["sign"], match["whole"], match["fraction"] or ""
    micros = int(whole) * MICROS_PER_WON + int(fraction.ljust(6, "0"))
    return -micros if sign else micros


def format_won(amount_won: int) -> str:
    """`₩1,234,567` for screens."""
    return f"-₩{-amount_won:,}" if amount_won < 0 else f"₩{amount_won:,}"

"""Price shape: a fixed price per unit and calendar month in Seoul; a part of a month costs its share, by the second. Pure.

A share of a month is no whole number of anything (2,592,000 seconds do not divide 3.6e9), so a cost is the difference of a
function that is cut to one unit of the numerator: `accrued(s) = price × units × 3,600 × s // seconds of the month`, and an
interval costs `accrued(end) − accrued(start)`. Parts therefore always add up to the whole, and a whole month costs exactly its
price, whether it has 28 days or 31.
"""

from datetime import datetime
from typing import Final

from billing.rating.months import month_bounds, month_of
from marketplace.kernel.clock import seconds_between
from marketplace.kernel.money import SECONDS_PER_HOUR, round_half_up

NAME: Final = "monthly"
HOURS_PER_MONTH: Final = 730
"""For comparing with prices per hour, and for estimates; shown beside them (korea.md: 월 예상)."""


def accrue(*, price_micros: int, units: int, started_at: datetime, ended_at: datetime) -> int:
    """The exact numerator of `units` during [started_at, ended_at), which lies in one month.

    Raises:
        ValueError: The interval leaves its month.
    """
    first, following = month_bounds(month_of(started_at))
    if ended_at > following:
        message = "a monthly price is accrued within one month"
        raise ValueError(message)
    whole = price_micros * units * SECONDS_PER_HOUR
    length = seconds_between(start=first, end=following)
    before = whole * seconds_between(start=first, end=started_at) // length
    return whole * seconds_between(start=first, end=ended_at) // length - before


def rate_per_second(*, price_micros: int, units: int, at: datetime) -> int:
    """How much is added each second of the month of `at`, cut; for ticking displays only."""
    first, following = month_bounds(month_of(at))
    return price_micros * units * SECONDS_PER_HOUR // seconds_between(start=first, end=following)


def micros_per_hour(*, price_micros: int) -> int:
    """The price as won per hour of a month of 730 hours, for comparing shapes."""
    return round_half_up(numerator=price_micros, denominator=HOURS_PER_MONTH)

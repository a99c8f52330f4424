"""How time becomes won: usage × agreed prices → exact numerators → won per line → VAT → total. Pure.

One file per price shape (`hourly`, `monthly`) and one per sum beside the usage (`minimum`, `commitment`, `discount`); `usage`
cuts an interval where months end and prices change; `invoice` rounds. The worked tables of billing/README.md are the tests.
"""

from billing.rating.invoice import (
    VAT_PERCENT,
    LineInput,
    LineKind,
    RatedLine,
    RoundingProfile,
    Totals,
    total,
    vat_on,
)
from billing.rating.months import (
    cut_at_days,
    cut_at_months,
    day_of,
    last_day,
    month_before,
    month_bounds,
    month_of,
)
from billing.rating.prices import SHAPES, AgreedPrice, Plan, Unit, read_snapshot, snapshot
from billing.rating.usage import Meter, Piece, rate_now, rate_usage

__all__ = [
    "SHAPES",
    "VAT_PERCENT",
    "AgreedPrice",
    "LineInput",
    "LineKind",
    "Meter",
    "Piece",
    "Plan",
    "RatedLine",
    "RoundingProfile",
    "Totals",
    "Unit",
    "cut_at_days",
    "cut_at_months",
    "day_of",
    "last_day",
    "month_before",
    "month_bounds",
    "month_of",
    "rate_now",
    "rate_usage",
    "read_snapshot",
    "snapshot",
    "total",
    "vat_on",
]

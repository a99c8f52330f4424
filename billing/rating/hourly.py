"""Price shape: won per unit and hour, by the second. Pure.

`numerator = price_micros × units × seconds`; a won is 3.6e9 of it, so nothing is ever divided here.
"""

from datetime import datetime
from typing import Final

from marketplace.kernel.clock import seconds_between

NAME: Final = "hourly"


def accrue(*, price_micros: int, units: int, started_at: datetime, ended_at: datetime) -> int:
    """The exact numerator of `units` during [started_at, ended_at)."""
    return price_micros * units * seconds_between(start=started_at, end=ended_at)


def rate_per_second(*, price_micros: int, units: int, at: datetime) -> int:  # noqa: ARG001 - every shape has the same signature
    """How much is added each second."""
    return price_micros * units


def micros_per_hour(*, price_micros: int) -> int:
    """The price as won per hour, for comparing shapes."""
    return price_micros

"""Usage × agreed prices → charge pieces with exact numerators. Pure; nothing is rounded here.

An interval is cut at the ends of months in Seoul and wherever another agreed price begins, so that each piece has one price and
one month. Seconds and numerators of the pieces are those of the whole, however often it was split before.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from billing.rating import hourly
from billing.rating.months import cut_at_months, month_of
from billing.rating.prices import SHAPES, AgreedPrice
from marketplace.kernel.clock import seconds_between


class Meter(StrEnum):
    """What an interval counts, as far as it has a price."""

    DEVICE = "device"
    HELD = "held_device"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of an interval with one price, in one month: the sum written out.

    Attributes:
        price_micros: Per unit and hour or month, by `shape`.
        unit_seconds: units × seconds, what the price is multiplied with.
        device_seconds: devices × seconds, for people.
    """

    price: AgreedPrice
    shape: str
    price_micros: int
    started_at: datetime
    ended_at: datetime
    month: date
    devices: int
    units: int
    unit_seconds: int
    device_seconds: int
    numerator: int


def rate_usage(
    *, prices: Sequence[AgreedPrice], devices: int, started_at: datetime, ended_at: datetime, meter: str = Meter.DEVICE
) -> tuple[Piece, ...]:
    """Price one interval exactly.

    Args:
        prices: In order of `since`; the first one holds from the beginning whatever its `since`.
        meter: `held_device` uses the price for kept devices, and costs nothing where there is none.

    Raises:
        ValueError: The interval is empty or inverted (that is no usage), or the devices are no whole number of units.
    """
    if seconds_between(start=started_at, end=ended_at) <= 0:
        message = "an interval without a second is not usage"
        raise ValueError(message)
    return tuple(
        _piece(price=price, devices=devices, started_at=start, ended_at=end, meter=meter)
        for first, last, price in cut_at_prices(prices=prices, started_at=started_at, ended_at=ended_at)
        for start, end in cut_at_months(started_at=first, ended_at=last)
    )


def cut_at_prices(
    *, prices: Sequence[AgreedPrice], started_at: datetime, ended_at: datetime
) -> list[tuple[datetime, datetime, AgreedPrice]]:
    """The parts of an interval at one price each."""
    begins = [started_at, *(max(started_at, price.since or started_at) for price in prices[1:])]
    ends = [*(min(ended_at, begin) for begin in begins[1:]), ended_at]
    parts = zip(begins, ends, prices, strict=True)
    return [(begin, end, price) for begin, end, price in parts if begin < end]


def price_at(*, prices: Sequence[AgreedPrice], at: datetime) -> AgreedPrice:
    """The price that holds at an instant."""
    held = prices[0]
    for price in itertools.islice(prices, 1, None):
        if price.since is not None and price.since <= at:
            held = price
    return held


def rate_now(*, prices: Sequence[AgreedPrice], devices: int, at: datetime, meter: str = Meter.DEVICE) -> int:
    """What the next second adds to the numerator."""
    price = price_at(prices=prices, at=at)
    shape, price_micros = _shape_and_price(price, meter)
    return SHAPES[shape].rate_per_second(price_micros=price_micros, units=price.units(devices), at=at)


def _shape_and_price(price: AgreedPrice, meter: str) -> tuple[str, int]:
    if meter == Meter.HELD:
        return hourly.NAME, price.held_price_micros or 0
    return price.shape, price.price_micros


def _piece(*, price: AgreedPrice, devices: int, started_at: datetime, ended_at: datetime, meter: str) -> Piece:
    shape, price_micros = _shape_and_price(price, meter)
    units, seconds = price.units(devices), seconds_between(start=started_at, end=ended_at)
    return Piece(
        price=price,
        shape=shape,
        price_micros=price_micros,
        started_at=started_at,
        ended_at=ended_at,
        month=month_of(started_at),
        devices=devices,
        units=units,
        unit_seconds=units * seconds,
        device_seconds=devices * seconds,
        numerator=SHAPES[shape].accrue(
            price_micros=price_micros, units=units, started_at=started_at, ended_at=ended_at
        ),
    )

"""How an hour is priced: usage × agreed price → exact numerators → won per line → VAT → total. Pure.

Nothing is rounded per interval: a line sums exact numerators and is rounded once, half up; VAT is taken once on the sum of the
supply values and cut to the won (원 미만 절사, the usual practice; the mode is an accountant's decision and stands here alone).
The worked tables of billing/README.md are this module's tests.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from marketplace.kernel.clock import KST, seconds_between
from marketplace.kernel.money import round_half_up, won_from_numerator

VAT_PERCENT: Final = 10
"""부가가치세법 art. 30."""


class RoundingProfile(StrEnum):
    """How a payer's total is rounded; values are those of tenants.Rounding."""

    WON = "won"
    TEN_WON = "ten_won"


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedUsage:
    """One closed interval at its agreed price."""

    device_seconds: int
    numerator: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LineInput:
    """Charges of one instance at one price: the key of a line and the exact sums."""

    instance_id: UUID
    price_micros_per_device_hour: int
    device_seconds: int
    numerator: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedLine:
    """A line as printed; `instance_id` is None on the adjustment line."""

    instance_id: UUID | None
    price_micros_per_device_hour: int
    device_seconds: int
    numerator: int
    supply_won: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """An invoice's lines and sums: supply + VAT = total."""

    lines: tuple[RatedLine, ...]
    supply_won: int
    vat_won: int
    total_won: int


def rate(*, price_micros_per_device_hour: int, devices: int, started_at: datetime, ended_at: datetime) -> RatedUsage:
    """Price one interval exactly.

    Raises:
        ValueError: The interval is empty or inverted: that is no usage.
    """
    seconds = seconds_between(start=started_at, end=ended_at)
    if seconds <= 0:
        message = "an interval without a second is not usage"
        raise ValueError(message)
    device_seconds = seconds * devices
    return RatedUsage(device_seconds=device_seconds, numerator=price_micros_per_device_hour * device_seconds)


def total(*, lines: Sequence[LineInput], rounding: RoundingProfile) -> Totals:
    """Round each line, take VAT, and make the total of an invoice.

    For a ten-won payer the total is cut to ten won by an adjustment line (끝수 조정), then supply = round(total / 1.1) and
    VAT = total − supply, so that invoice, tax invoice and payment are equal (korea.md; 국고금 관리법 art. 47).
    """
    rated = tuple(
        RatedLine(
            instance_id=line.instance_id,
            price_micros_per_device_hour=line.price_micros_per_device_hour,
            device_seconds=line.device_seconds,
            numerator=line.numerator,
            supply_won=won_from_numerator(line.numerator),
        )
        for line in lines
    )
    supply = sum(line.supply_won for line in rated)
    vat = supply * VAT_PERCENT // 100
    if rounding is RoundingProfile.WON:
        return Totals(lines=rated, supply_won=supply, vat_won=vat, total_won=supply + vat)
    cut_total = (supply + vat) // 10 * 10
    cut_supply = round_half_up(numerator=cut_total * 100, denominator=100 + VAT_PERCENT)
    if cut_supply != supply:
        rated = (*rated, _adjustment(cut_supply - supply))
    return Totals(lines=rated, supply_won=cut_supply, vat_won=cut_total - cut_supply, total_won=cut_total)


def _adjustment(difference_won: int) -> RatedLine:
    return RatedLine(
        instance_id=None, price_micros_per_device_hour=0, device_seconds=0, numerator=0, supply_won=difference_won
    )


def month_of(instant: datetime) -> date:
    """First day of the billing month, in Korean time."""
    local = instant.astimezone(KST)
    return date(local.year, local.month, 1)


def month_bounds(month: date) -> tuple[datetime, datetime]:
    """The month's half-open interval: from its first midnight in Seoul to the next month's."""
    start = datetime(month.year, month.month, 1, tzinfo=KST)
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return start, datetime(following.year, following.month, 1, tzinfo=KST)


def cut_at_months(*, started_at: datetime, ended_at: datetime) -> Iterable[tuple[datetime, datetime]]:
    """The parts of an interval that lie in one month each; seconds and exact cost add up to the whole."""
    start = started_at
    while start < ended_at:
        _first, following = month_bounds(month_of(start))
        end = min(ended_at, following)
        yield start, end
        start = end


def last_day(month: date) -> date:
    """The write date (작성일자) of a monthly document."""
    _start, following = month_bounds(month)
    return (following - timedelta(days=1)).date()

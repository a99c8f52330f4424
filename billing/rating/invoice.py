"""From exact sums to whole won: round each line once, take VAT, make the total. Pure.

The only place where a charge is rounded: half up, halves away from zero. VAT is taken once on the sum of the supply values and
cut to the won (원 미만 절사, the usual practice; the mode is an accountant's decision and stands here alone).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from marketplace.kernel.money import round_half_up, won_from_numerator

VAT_PERCENT: Final = 10
"""부가가치세법 art. 30."""


class RoundingProfile(StrEnum):
    """How a payer's total is rounded; values are those of tenants.Rounding."""

    WON = "won"
    TEN_WON = "ten_won"


class LineKind(StrEnum):
    """What a charge, and the line that sums it, is for."""

    USAGE = "usage"
    CORRECTION = "correction"
    MINIMUM = "minimum"
    COMMITMENT = "commitment"
    COVERED = "covered"
    DISCOUNT = "discount"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineInput:
    """Charges that make one line: what they have in common, and the exact sums.

    Attributes:
        source_id: The instance, or the commitment whose fee it is.
        agreement_id: The commitment or discount it comes from.
        unit_seconds: What the price is multiplied with.
        basis_points, base_numerator: Of a discount: the part, and what it is a part of.
        started_at, ended_at: The first and last instant of these charges.
    """

    kind: LineKind = LineKind.USAGE
    source_id: UUID
    instance_id: UUID | None
    agreement_id: UUID | None = None
    price_version_id: UUID | None = None
    meter: str = "device"
    shape: str = "hourly"
    unit: str = "device"
    price_micros: int
    price_micros_per_device_hour: int = 0
    unit_seconds: int
    device_seconds: int
    numerator: int
    basis_points: int | None = None
    base_numerator: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedLine:
    """A line as printed; `charges` is None on the adjustment line."""

    charges: LineInput | None
    supply_won: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """An invoice's lines and sums: supply + VAT = total."""

    lines: tuple[RatedLine, ...]
    supply_won: int
    vat_won: int
    total_won: int


def vat_on(supply: int) -> int:
    """VAT on a supply value in won, cut to the won; on a credit as on the charge that it takes back."""
    return _cut_to_zero(supply * VAT_PERCENT, step=100) // 100


def _cut_to_zero(amount: int, *, step: int) -> int:
    """The multiple of `step` that is nearest to the amount on the side of zero."""
    whole = abs(amount) // step * step
    return whole if amount >= 0 else -whole


def total(*, lines: Sequence[LineInput], rounding: RoundingProfile) -> Totals:
    """Round each line, take VAT, and make the total of an invoice.

    For a ten-won payer the total is cut to ten won by an adjustment line (끝수 조정), then supply = round(total / 1.1) and
    VAT = total − supply, so that invoice, tax invoice and payment are equal (korea.md; 국고금 관리법 art. 47).
    """
    rated = tuple(RatedLine(charges=line, supply_won=won_from_numerator(line.numerator)) for line in lines)
    supply = sum(line.supply_won for line in rated)
    vat = vat_on(supply)
    if rounding is RoundingProfile.WON:
        return Totals(lines=rated, supply_won=supply, vat_won=vat, total_won=supply + vat)
    cut_total = _cut_to_zero(supply + vat, step=10)
    cut_supply = round_half_up(numerator=cut_total * 100, denominator=100 + VAT_PERCENT)
    if cut_supply != supply:
        rated = (*rated, RatedLine(charges=None, supply_won=cut_supply - supply))
    return Totals(lines=rated, supply_won=cut_supply, vat_won=cut_total - cut_supply, total_won=cut_total)

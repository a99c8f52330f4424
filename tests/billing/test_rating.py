"""The worked tables of billing/README.md, with the same literal won, and what must hold for any numbers."""

import itertools
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating import (
    AgreedPrice,
    LineInput,
    Piece,
    RoundingProfile,
    cut_at_months,
    last_day,
    month_bounds,
    month_of,
    rate_usage,
    total,
)

pytestmark = pytest.mark.unit

PRICE = 5_400_000_000
START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def line(device_seconds: int, *, price: int = PRICE, number: int = 1) -> LineInput:
    """Charges of one instance."""
    return LineInput(
        source_id=UUID(int=number),
        instance_id=UUID(int=number),
        price_micros=price,
        unit_seconds=device_seconds,
        device_seconds=device_seconds,
        numerator=price * device_seconds,
    )


def rate(*, price_micros_per_device_hour: int, devices: int, started_at: datetime, ended_at: datetime) -> list[Piece]:
    """One interval at one price per device and hour."""
    price = AgreedPrice(price_version_id=UUID(int=7), price_micros=price_micros_per_device_hour)
    return list(rate_usage(prices=[price], devices=devices, started_at=started_at, ended_at=ended_at))


def test_one_interval() -> None:
    """Two devices for 90 s at ₩5,400: 180 device-seconds, ₩270."""
    (piece,) = rate(
        price_micros_per_device_hour=PRICE, devices=2, started_at=START, ended_at=START + timedelta(seconds=90)
    )
    assert (piece.unit_seconds, piece.device_seconds, piece.numerator) == (180, 180, 972_000_000_000)


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_second_is_no_usage(seconds: int) -> None:
    """An empty or inverted interval cannot be rated."""
    with pytest.raises(ValueError, match="not usage"):
        rate(
            price_micros_per_device_hour=PRICE, devices=1, started_at=START, ended_at=START + timedelta(seconds=seconds)
        )


@pytest.mark.parametrize(
    ("device_seconds", "supply", "vat", "whole"),
    [
        (180, 270, 27, 297),
        (1, 2, 0, 2),
        (3, 5, 0, 5),
        (3_600, 5_400, 540, 5_940),
        (3_603, 5_405, 540, 5_945),
        (7, 11, 1, 12),
    ],
)
def test_a_line_is_rounded_half_up_and_vat_is_cut(device_seconds: int, supply: int, vat: int, whole: int) -> None:
    """₩1.5 per device-second: 1 s is ₩1.5 → ₩2; 3 s is ₩4.5 → ₩5; 7 s is ₩10.5 → ₩11, VAT ₩1.1 → ₩1."""
    totals = total(lines=[line(device_seconds)], rounding=RoundingProfile.WON)
    assert (totals.supply_won, totals.vat_won, totals.total_won) == (supply, vat, whole)


@pytest.mark.parametrize(
    ("device_seconds", "supply", "vat", "whole", "adjustment"),
    # ₩5,405 + VAT 540 = 5,945 → 5,940: supply 5,400, VAT 540, adjusted by −5.
    [(3_603, 5_400, 540, 5_940, -5), (3_600, 5_400, 540, 5_940, None), (7, 9, 1, 10, -2)],
)
def test_a_ten_won_payer_is_cut_before_issue(
    device_seconds: int, supply: int, vat: int, whole: int, adjustment: int | None
) -> None:
    """State money has no single won; the difference is a line of its own."""
    totals = total(lines=[line(device_seconds)], rounding=RoundingProfile.TEN_WON)
    assert (totals.supply_won, totals.vat_won, totals.total_won) == (supply, vat, whole)
    adjustments = [item.supply_won for item in totals.lines if item.charges is None]
    assert adjustments == ([] if adjustment is None else [adjustment])


LINES = st.lists(
    st.builds(line, st.integers(1, 10**8), price=st.integers(1, 10**11), number=st.integers(1, 9)),
    min_size=1,
    max_size=20,
)


@given(LINES, st.sampled_from(list(RoundingProfile)))
def test_an_invoice_always_adds_up(lines: list[LineInput], rounding: RoundingProfile) -> None:
    """Lines sum to the supply value, supply and VAT to the total, and no line is off by a won or more."""
    totals = total(lines=lines, rounding=rounding)
    assert sum(item.supply_won for item in totals.lines) == totals.supply_won
    assert totals.supply_won + totals.vat_won == totals.total_won
    for given_line, item in zip(lines, totals.lines, strict=False):
        assert abs(Fraction(given_line.numerator, 3_600_000_000) - item.supply_won) < 1
    if rounding is RoundingProfile.TEN_WON:
        assert totals.total_won % 10 == 0


@given(
    st.integers(1, 10**11),
    st.integers(1, 8),
    st.integers(1, 10**7),
    st.lists(st.floats(0, 1), max_size=6),
)
def test_splitting_an_interval_anywhere_changes_nothing(
    price: int, devices: int, seconds: int, cuts: list[float]
) -> None:
    """Additivity: seconds and exact cost of the parts are those of the whole."""
    ends = sorted({round(cut * seconds) for cut in cuts} | {0, seconds})
    parts = [
        piece
        for begin, end in itertools.pairwise(ends)
        for piece in rate(
            price_micros_per_device_hour=price,
            devices=devices,
            started_at=START + timedelta(seconds=begin),
            ended_at=START + timedelta(seconds=end),
        )
    ]
    whole = rate(
        price_micros_per_device_hour=price,
        devices=devices,
        started_at=START,
        ended_at=START + timedelta(seconds=seconds),
    )
    assert sum(part.numerator for part in parts) == sum(part.numerator for part in whole)
    assert sum(part.device_seconds for part in parts) == sum(part.device_seconds for part in whole) == devices * seconds


def test_months_are_cut_at_midnight_in_seoul() -> None:
    """23:59:59 KST on the 30th is November; a second later is December. December rolls into January, February has its day."""
    last = datetime(2026, 11, 30, 14, 59, 59, tzinfo=UTC)
    assert month_of(last) == date(2026, 11, 1)
    assert month_of(last + timedelta(seconds=1)) == date(2026, 12, 1)
    assert month_bounds(date(2026, 12, 1))[1].astimezone(UTC) == datetime(2026, 12, 31, 15, 0, tzinfo=UTC)
    assert last_day(date(2028, 2, 1)) == date(2028, 2, 29)


def test_a_run_over_new_year_is_cut_in_two() -> None:
    """The parts meet at midnight and lose nothing."""
    start, end = datetime(2026, 12, 31, 14, 0, tzinfo=UTC), datetime(2026, 12, 31, 16, 30, tzinfo=UTC)
    parts = list(cut_at_months(started_at=start, ended_at=end))
    midnight = datetime(2026, 12, 31, 15, 0, tzinfo=UTC)
    assert [(a.astimezone(UTC), b.astimezone(UTC)) for a, b in parts] == [(start, midnight), (midnight, end)]

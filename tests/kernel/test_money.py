"""Exact money: won, micros and charge numerators."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.kernel.money import (
    format_won,
    micros_from_won_text,
    round_half_up,
    won_from_numerator,
    won_text_from_micros,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(1, 2, 1), (-1, 2, -1), (3, 2, 2), (1, 3, 0), (2, 3, 1), (-2, 3, -1), (0, 7, 0), (10, 10, 1)],
)
def test_halves_are_rounded_away_from_zero(numerator: int, denominator: int, rounded: int) -> None:
    """The stated mode of an invoice line."""
    assert round_half_up(numerator=numerator, denominator=denominator) == rounded


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_rounding_is_off_by_at_most_a_half(numerator: int, denominator: int) -> None:
    """For any size: no float is near."""
    error = Fraction(numerator, denominator) - round_half_up(numerator=numerator, denominator=denominator)
    assert abs(error) <= Fraction(1, 2)


def test_an_hour_of_two_devices_costs_twice_the_price() -> None:
    """₩5,400 per device-hour, two devices, 3,600 s each."""
    assert won_from_numerator(5_400 * 1_000_000 * 2 * 3_600) == 10_800


@given(st.integers(-(10**18), 10**18))
def test_micros_round_trip_through_text(micros: int) -> None:
    """What the API shows is what it reads."""
    assert micros_from_won_text(won_text_from_micros(micros)) == micros


@pytest.mark.parametrize("text", ["", "-", ".", "1.", "1e3", "1,000", "0.0000001", "١", "1.-5", "NaN", " 1"])
def test_malformed_amounts_are_refused(text: str) -> None:
    """Only plain decimals with at most six places."""
    with pytest.raises(ValueError, match="not a decimal amount"):
        micros_from_won_text(text)


def test_won_are_grouped_for_screens() -> None:
    """As portal.md shows money."""
    assert format_won(1_234_567) == "₩1,234,567"
    assert format_won(-1_000) == "-₩1,000"

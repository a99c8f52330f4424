"""The check digit of the business registration number."""

import pytest

from marketplace.tenants.business_number import format_business_number, is_valid_business_number

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("text", ["1248100998", "1208147521", "2208162517"])
def test_valid_numbers(text: str) -> None:
    """Published numbers."""
    assert is_valid_business_number(text)


@pytest.mark.parametrize("text", ["1234567890", "124810099", "12481009980", "124810099a", "", "124-81-0099"])
def test_invalid_numbers(text: str) -> None:
    """Wrong digit, length or characters."""
    assert not is_valid_business_number(text)


def test_each_single_digit_error_is_noticed() -> None:
    """Changing one digit of a valid number by one is always noticed in the first eight places."""
    for place in range(8):
        digit = (int("1248100998"[place]) + 1) % 10
        assert not is_valid_business_number("1248100998"[:place] + str(digit) + "1248100998"[place + 1 :])


def test_form() -> None:
    """3-2-5."""
    assert format_business_number("1248100998") == "124-81-00998"

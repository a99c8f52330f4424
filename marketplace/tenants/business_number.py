"""The Korean business registration number (사업자등록번호): ten digits, 3-2-5, with a check digit. Pure."""

from typing import Final

_WEIGHTS: Final = (1, 3, 7, 1, 3, 7, 1, 3, 5)


def is_valid_business_number(text: str) -> bool:
    """Whether ten digits carry the right check digit (korea.md: weights on the first nine, plus floor(9th x 5 / 10))."""
    if len(text) != 10 or not (text.isascii() and text.isdigit()):
        return False
    digits = [int(character) for character in text]
    total = sum(digit * weight for digit, weight in zip(digits, _WEIGHTS, strict=False)) + digits[8] * 5 // 10
    return (10 - total % 10) % 10 == digits[9]


def format_business_number(text: str) -> str:
    """`1248100998` as `124-81-00998`."""
    return f"{text[:3]}-{text[3:5]}-{text[5:]}"

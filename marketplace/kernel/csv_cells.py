"""Text of people in CSV files: nothing that a spreadsheet would run. Pure."""

from typing import Final

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def neutralise(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula: what could be one begins with an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text

"""Plots as plain numbers that a template turns into SVG; the same numbers stand in a table beside it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 180
AXIS: Final = 20
"""Room under the bars for the labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: where it stands, how high, and what it says."""

    x: int
    y: int
    width: int
    height: int
    label: str
    label_x: int
    text: str


def draw_bars(values: Sequence[tuple[str, int, str]]) -> list[Bar]:
    """Bars for (label, value, text); negative values are drawn as nothing, since a credit has no height.

    A value above zero is at least one unit high, so that it is seen.
    """
    if not values:
        return []
    step = WIDTH // len(values)
    highest = max(1, *(value for _label, value, _text in values))
    bars = []
    for index, (label, value, text) in enumerate(values):
        room = HEIGHT - AXIS
        height = max(1, max(0, value) * room // highest) if value > 0 else 0
        bars.append(
            Bar(
                x=index * step + 2, y=room - height, width=max(2, step - 4), height=height, label=label,
                label_x=index * step + step // 2, text=text,
            )
        )  # fmt: skip
    return bars

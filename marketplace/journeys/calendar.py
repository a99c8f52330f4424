"""What ends in which month: rows of bars as numbers for a server-rendered drawing, and the same as a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from marketplace.kernel.clock import KST

MONTHS: Final = 12
WIDTH: Final = 720
ROW: Final = 26
LABELS: Final = 30
SOON: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One paper until its end, or to the edge when it holds longer."""

    label: str
    holder: str
    ends_at: datetime
    width: int
    y: int
    text_y: int
    is_soon: bool
    is_beyond: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The drawing.

    Attributes:
        months: (first day, x) of each month that begins within the year.
    """

    months: Sequence[tuple[datetime, int]]
    bars: Sequence[Bar]
    height: int
    width: int = WIDTH


def draw_calendar(*, items: Iterable[tuple[str, str, datetime]], now: datetime, bars_max: int = 60) -> Calendar:
    """Lay out (label, holder, end) over the twelve months from now, those that end first on top."""
    start, end = now, _add_months(now, MONTHS)
    span = (end - start).total_seconds()

    def place(instant: datetime) -> int:
        return round(WIDTH * min(1.0, max(0.0, (instant - start).total_seconds() / span)))

    first = now.astimezone(KST).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = [(month, place(month)) for month in (_add_months(first, number) for number in range(1, MONTHS + 1))]
    ordered = sorted(items, key=lambda item: item[2])[:bars_max]
    bars = [
        Bar(
            label=label, holder=holder, ends_at=ends_at, width=max(2, place(ends_at)), y=LABELS + number * ROW,
            text_y=LABELS + number * ROW + 16, is_soon=ends_at - now <= SOON, is_beyond=ends_at > end,
        )
        for number, (label, holder, ends_at) in enumerate(ordered)
    ]  # fmt: skip
    return Calendar(months=months, bars=bars, height=LABELS + max(1, len(bars)) * ROW + 4)


def _add_months(instant: datetime, months: int) -> datetime:
    year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    return instant.replace(year=year, month=month + 1, day=min(instant.day, 28))

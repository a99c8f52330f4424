"""When does a schedule act next? Pure: wall-clock times in Seoul, which has no daylight saving, to instants."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from marketplace.kernel.clock import KST

RETRY_EVERY: Final = timedelta(minutes=5)
RETRY_FOR: Final = timedelta(hours=1)
"""A start that is refused, e.g. for want of quota, is tried again so often and for so long; then the next turn comes."""
LATE_MAX: Final = timedelta(hours=1)
"""What is due for longer (nobody was there to act) is left out: a start at noon is no start for the morning."""


class ScheduleAction(StrEnum):
    """What a schedule does."""

    START = "start"
    STOP = "stop"


def next_turn(*, at: time, weekdays: Sequence[int], on: date | None, after: datetime) -> datetime | None:
    """The first instant after `after`; None when there is none any more.

    Args:
        at: Wall-clock time in Seoul.
        weekdays: 1 = Monday to 7 = Sunday; empty for a single date.
        on: The single date.
    """
    if on is not None:
        turn = datetime.combine(on, at, tzinfo=KST)
        return turn if turn > after else None
    today = after.astimezone(KST).date()
    days = (today + timedelta(days=offset) for offset in range(8))
    turns = (datetime.combine(day, at, tzinfo=KST) for day in days if day.isoweekday() in weekdays)
    return next((turn for turn in turns if turn > after), None)

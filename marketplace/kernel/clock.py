"""The only place that reads the clock; everything below a face or a task takes `now` as an argument."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

KST = ZoneInfo("Asia/Seoul")
"""Billing months, documents and screens are cut in Korean time; storage is UTC."""


def now() -> datetime:
    """The current instant, UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Seconds on a clock that never steps; for measuring durations only."""
    return time.monotonic()


def pause(*, seconds: float) -> None:
    """Sleep; only loops of long-running processes may call this."""
    time.sleep(seconds)


def floor_to_second(instant: datetime) -> datetime:
    """The instant without its fraction of a second (metering rule: times are floored)."""
    return instant.replace(microsecond=0)


def seconds_between(*, start: datetime, end: datetime) -> int:
    """Whole seconds in the half-open interval [start, end); negative when end precedes start."""
    return int((end - start) / timedelta(seconds=1))

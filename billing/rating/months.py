"""Billing months and days, cut at midnight in Seoul. Pure."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from marketplace.kernel.clock import KST


def month_of(instant: datetime) -> date:
    """First day of the billing month, in Korean time."""
    local = instant.astimezone(KST)
    return date(local.year, local.month, 1)


def month_bounds(month: date) -> tuple[datetime, datetime]:
    """The month's half-open interval: from its first midnight in Seoul to the next month's."""
    start = datetime(month.year, month.month, 1, tzinfo=KST)
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return start, datetime(following.year, following.month, 1, tzinfo=KST)


def month_before(month: date) -> date:
    """The month before."""
    return (month - timedelta(days=1)).replace(day=1)


def cut_at_months(*, started_at: datetime, ended_at: datetime) -> Iterable[tuple[datetime, datetime]]:
    """The parts of an interval that lie in one month each; seconds and exact cost add up to the whole."""
    start = started_at
    while start < ended_at:
        _first, following = month_bounds(month_of(start))
        end = min(ended_at, following)
        yield start, end
        start = end


def day_of(instant: datetime) -> date:
    """The day in Korean time."""
    return instant.astimezone(KST).date()


def cut_at_days(*, started_at: datetime, ended_at: datetime) -> Iterable[tuple[datetime, datetime]]:
    """The parts of an interval that lie in one day in Seoul each."""
    start = started_at
    while start < ended_at:
        following = datetime.combine(day_of(start) + timedelta(days=1), time(), tzinfo=KST)
        end = min(ended_at, following)
        yield start, end
        start = end


def last_day(month: date) -> date:
    """The write date (작성일자) of a monthly document."""
    _start, following = month_bounds(month)
    return (following - timedelta(days=1)).date()

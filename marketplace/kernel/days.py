"""Days that people type, and the instants in Seoul at which they begin."""

from datetime import UTC, date, datetime, time
from typing import Final

from django.utils.translation import gettext_lazy as _

from marketplace.kernel.clock import KST
from marketplace.kernel.errors import ValidationFailed

YEARS: Final = range(2000, 2200)
"""A day outside is a slip of the keyboard; a bound also keeps sums of days within what a date can be."""


def parse_day(*, text: str, pointer: str) -> date:
    """A day such as 2026-11-24.

    Raises:
        ValidationFailed: Not a day, or of another century.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.year not in YEARS:
        raise ValidationFailed(reason=_("Give a day such as 2026-11-24."), pointer=pointer)
    return day


def begin_of(day: date) -> datetime:
    """The day's first instant in Seoul, in UTC."""
    return datetime.combine(day, time.min, tzinfo=KST).astimezone(UTC)


def parse_instant(*, text: str, pointer: str) -> datetime:
    """An instant as a form's clock gives it, such as 2026-11-24T09:30: in Seoul unless it says otherwise; in UTC.

    Raises:
        ValidationFailed: Not an instant, or of another century.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min  # noqa: DTZ901 - only its year is looked at
    if found.year not in YEARS:
        raise ValidationFailed(reason=_("Give an instant such as 2026-12-01T00:00."), pointer=pointer)
    return (found.replace(tzinfo=KST) if found.tzinfo is None else found).astimezone(UTC)

"""Spans of time and shares as the queue's pages show them."""

from datetime import timedelta

from django import template
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def span(value: timedelta | None) -> str:
    """`2 d 3 h`, `3 h 5 min`, `5 min` or `12 s`."""
    return span_s(None if value is None else value.total_seconds())


@register.filter
def span_s(value: float | None) -> str:
    """As `span`, from seconds; a dash for nothing."""
    if value is None:
        return "–"
    seconds = int(value)
    days, hours, minutes = seconds // 86_400, seconds % 86_400 // 3_600, seconds % 3_600 // 60
    if days:
        return _("%(days)s d %(hours)s h") % {"days": days, "hours": hours}
    if hours:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    return _("%(minutes)s min") % {"minutes": minutes} if minutes else _("%(seconds)s s") % {"seconds": seconds}


@register.filter
def share(part: int, whole: int) -> str:
    """`93 %`, rounded down, since a goal that is nearly met is not met; a dash of nothing."""
    return f"{part * 100 // whole} %" if whole else "–"

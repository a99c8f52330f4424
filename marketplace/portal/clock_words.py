"""Weekdays and what came of a schedule's last turn, in words."""

from collections.abc import Sequence
from typing import Final

from django.utils.translation import gettext_lazy as _

WEEKDAYS: Final = (
    (1, _("Mon")), (2, _("Tue")), (3, _("Wed")), (4, _("Thu")), (5, _("Fri")), (6, _("Sat")), (7, _("Sun")),
)  # fmt: skip
"""ISO numbers."""
_SPANS: Final = {(1, 2, 3, 4, 5): _("Every working day"), (1, 2, 3, 4, 5, 6, 7): _("Every day"), (6, 7): _("Weekends")}
_OUTCOMES: Final = {"done": _("done"), "nothing_to_do": _("nothing to do")}


def describe_weekdays(days: Sequence[int]) -> str:
    """`Every working day`, or the days' names."""
    span = _SPANS.get(tuple(days))
    return str(span) if span else ", ".join(str(name) for number, name in WEEKDAYS if number in days)


def describe_outcome(outcome: str) -> str:
    """What came of the last turn; a refusal by its code, since the instance's page has its sentence."""
    return str(_OUTCOMES.get(outcome) or _("refused (%(code)s)") % {"code": outcome})

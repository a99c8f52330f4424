"""Sentences that operators often answer quota requests with; the one chosen fills the reason, and can be changed there."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REPLIES: Final[tuple[tuple[str, Promise, Promise], ...]] = (
    (
        "stock",
        _("No capacity"),
        _(
            "The devices are promised to others in this period. Please ask again for a later period, or for another accelerator."
        ),
    ),
    (
        "low-use",
        _("Low use"),
        _("Less than half of the present limit was used lately. Please use it first, or say why more is needed now."),
    ),
    (
        "purpose",
        _("Purpose unclear"),
        _("Please say which work it is for, for how long, and how the number of devices was worked out."),
    ),
    (
        "papers",
        _("Paper missing"),
        _("Please attach the approved plan or the agreement that this is for."),
    ),
    (
        "budget",
        _("No budget"),
        _("The organization's budget does not cover this limit. Please raise the budget first."),
    ),
    (
        "period",
        _("Period instead"),
        _("This is needed for a while only. Please ask for a period instead of a permanent limit."),
    ),
)
"""Code, name, sentence."""


def find_reply(code: str) -> str:
    """The sentence of a code; empty for none."""
    return next((str(text) for known, _name, text in REPLIES if known == code), "")

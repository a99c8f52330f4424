"""Why time is excused or unknown, in the reader's language."""

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.metering.rules import Cause

_CAUSES: Final[Mapping[Cause, Promise]] = {
    Cause.NODE_NOT_READY: _("The node was not ready"),
    Cause.NODE_LOST: _("The node was lost"),
    Cause.MAINTENANCE: _("The provider's maintenance"),
    Cause.SITE_OUTAGE: _("The site was down"),
    Cause.FAILED_START: _("It failed to start, through no fault of yours"),
    Cause.POD_VANISHED: _("It was gone when the cluster answered again"),
    Cause.RESTARTED_UNSEEN: _("It was restarted while the cluster was silent"),
    Cause.UNRESOLVED: _("Nobody could say by the 5th of the next month"),
    Cause.CLUSTER_SILENT: _("The cluster does not answer; it will be decided by evidence"),
}


def explain_cause(cause: str) -> str:
    """A sentence for a reason on a usage interval; "" for metered time, the token for one of a newer version."""
    if not cause:
        return ""
    return str(_CAUSES[Cause(cause)]) if cause in _CAUSES else cause

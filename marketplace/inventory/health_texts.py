"""What is wrong with a node, and what happened on it, in sentences."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.health import Cause
from marketplace.inventory.models import IncidentKind

_CAUSES: Final[Mapping[str, Promise]] = {
    Cause.NOT_READY: _("The node is not ready."),
    Cause.CONDITION: _("The cluster reports %(condition)s."),
    Cause.DEVICES_MISSING: _("%(missing)s of %(capacity)s devices are reported as not usable."),
    Cause.NO_DEVICES: _("None of %(capacity)s devices is reported as usable."),
    Cause.FAILED_STARTS: _("%(count)s starts failed within an hour."),
    Cause.FLAPPING: _("The node was lost %(count)s times within an hour."),
    Cause.VERSION_FAILS: _("Starts fail on %(failing)s of %(nodes)s nodes with this version."),
    Cause.OPERATOR: _("By an operator."),
}
_INCIDENTS: Final[Mapping[str, Promise]] = {
    IncidentKind.CONDITION: _("The cluster reports %(condition)s."),
    IncidentKind.DEVICES_SHORT: _("%(missing)s of %(capacity)s devices became unusable."),
    IncidentKind.START_FAILED: _("A start failed: %(message)s"),
}


def explain_cause(cause: str, facts: Mapping[str, Any]) -> str:
    """Why a node is not healthy, or stock is in quarantine; the bare word where a number is not known."""
    return _fill(_CAUSES.get(cause, cause), facts)


def explain_incident(kind: str, facts: Mapping[str, Any]) -> str:
    """What happened on a node."""
    return _fill(_INCIDENTS.get(kind, IncidentKind(kind).label), facts)


def _fill(text: Promise | str, facts: Mapping[str, Any]) -> str:
    try:
        return str(text) % facts
    except KeyError:
        return str(text).split("%(", 1)[0].strip(" :")

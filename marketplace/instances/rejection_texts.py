"""Why a candidate was not taken, as a sentence in the active language."""

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from marketplace.scheduling.stock import Rejection

REJECTIONS: Final[Mapping[str, Promise]] = {
    Rejection.SITE_NOT_PERMITTED: _("Not permitted for the project's data"),
    Rejection.NO_TERMS: _("Not part of the request"),
    Rejection.PRICE_TOO_HIGH: _("Costs more than the maximum price"),
    Rejection.CLUSTER_SILENT: _("The cluster does not answer"),
    Rejection.CLUSTER_DRAINING: _("Under maintenance"),
    Rejection.NODE_NOT_READY: _("The node is not ready"),
    Rejection.NODE_CORDONED: _("The node takes no new work"),
    Rejection.QUARANTINED: _("Out of sale while a fault is looked into"),
    Rejection.UNDER_MAINTENANCE: _("Under maintenance"),
    Rejection.OTHER_VERSION: _("Another driver, firmware or runtime version"),
    Rejection.OTHER_TENANT: _("The node has another organization's instances, and its cards are reset in groups"),
    Rejection.REQUEST_TOO_LARGE: _("The node has fewer devices than asked for"),
    Rejection.NOT_ENOUGH_DEVICES: _("Not enough free devices"),
    Rejection.NOT_ENOUGH_CPU: _("Not enough free processors"),
    Rejection.NOT_ENOUGH_MEMORY: _("Not enough free memory"),
    Rejection.NOT_ENOUGH_NODES: _("Not enough nodes with room at once"),
    Rejection.RESERVED: _("Kept for a larger request that waits longer"),
    Rejection.NODE_NOT_ALONE: _("The node is not, or cannot be, this organization's alone"),
    Rejection.SECTOR_SHARE_EXHAUSTED: _("The sector's share is used up"),
    Rejection.PLATFORM_SHARE_EXHAUSTED: _("The platform's share is used up"),
    Rejection.WORSE_FIT: _("Would have fitted; another place fitted better"),
}


def explain_rejection(rejection: str) -> str:
    """The sentence; an unknown token (from a newer version) is shown as it is."""
    return str(REJECTIONS.get(rejection, rejection))

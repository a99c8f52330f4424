"""What was metered, and why time is excused or unknown, in the reader's language."""

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.metering.meters import METERS, Meter
from billing.metering.rules import Cause
from marketplace.kernel.money import SECONDS_PER_HOUR

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
    Cause.NOT_TOLD: _("The site meters itself and has not told its usage yet"),
}


def explain_cause(cause: str) -> str:
    """A sentence for a reason on a usage interval; "" for metered time, the token for one of a newer version."""
    if not cause:
        return ""
    return str(_CAUSES[Cause(cause)]) if cause in _CAUSES else cause


_METERS: Final[Mapping[Meter, Promise]] = {
    Meter.DEVICE: _("Running devices"),
    Meter.HELD_DEVICE: _("Devices kept while stopped"),
    Meter.VOLUME: _("Storage"),
    Meter.RESERVATION: _("Reserved devices"),
    Meter.COMMITMENT: _("Committed devices"),
    Meter.PUBLIC_ADDRESS: _("Public addresses"),
    Meter.EGRESS: _("Outgoing traffic"),
}
_HOURS: Final[Mapping[str, Promise]] = {
    "device_second": _("%(count)s device-hours"),
    "gib_second": _("%(count)s GiB-hours"),
    "address_second": _("%(count)s address-hours"),
}
_BYTES: Final = _("%(count)s GiB")


def describe_meter(meter: Meter) -> str:
    """What a meter counts, in a word or two."""
    return str(_METERS[meter])


def describe_amount(*, meter: Meter, amount: int) -> str:
    """An amount for people, cut to two decimals: hours of what grows with time, GiB of what is counted."""
    unit = METERS[meter].amount_unit
    text, divisor = (_HOURS[unit], SECONDS_PER_HOUR) if unit in _HOURS else (_BYTES, 2**30)
    hundredths = amount * 100 // divisor
    return str(text) % {"count": f"{hundredths // 100:,}.{hundredths % 100:02d}"}

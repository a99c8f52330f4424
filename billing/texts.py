"""Sums written out in words, so that support can read them aloud; in the language that is active."""

from decimal import Decimal
from typing import Final, Protocol

from django.utils.translation import gettext as _

from billing.rating import AgreedPrice, LineKind, Meter
from billing.rating.discount import share
from marketplace.kernel.money import format_won, won_from_numerator, won_text_from_micros

_PRICES: Final = {
    ("hourly", "device"): lambda: _("₩%(price)s per device and hour"),
    ("hourly", "server"): lambda: _("₩%(price)s per server and hour"),
    ("hourly", "gib"): lambda: _("₩%(price)s per GiB and hour"),
    ("monthly", "device"): lambda: _("₩%(price)s per device and month"),
    ("monthly", "server"): lambda: _("₩%(price)s per server and month"),
    ("monthly", "gib"): lambda: _("₩%(price)s per GiB and month"),
}
_SECONDS: Final = {
    "device": lambda: _("%(count)s device-seconds"),
    "server": lambda: _("%(count)s server-seconds"),
    "gib": lambda: _("%(count)s GiB-seconds"),
}


class Sum(Protocol):
    """What a line or a charge has in common: LineInput, InvoiceLine, Charge."""

    @property
    def kind(self) -> str:
        """What it is for."""

    @property
    def meter(self) -> str:
        """What was counted."""

    @property
    def shape(self) -> str:
        """How the price becomes cost."""

    @property
    def unit(self) -> str:
        """What the price buys."""

    @property
    def price_micros(self) -> int:
        """Per unit and hour or month."""

    @property
    def unit_seconds(self) -> int:
        """What it is multiplied with."""

    @property
    def basis_points(self) -> int | None:
        """Of a discount."""

    @property
    def base_numerator(self) -> int | Decimal:
        """What a discount is a part of, or what a minimum charge is compared with."""


def describe_price(*, shape: str, unit: str, price_micros: int) -> str:
    """`₩5,400 per device and hour`."""
    return _PRICES[shape, unit]() % {"price": group(won_text_from_micros(price_micros))}


def describe_conditions(price: AgreedPrice) -> str:
    """Minimum term, minimum charge and the price for kept devices; empty where there are none."""
    parts = []
    if price.minimum_s:
        hours = -(-price.minimum_s // 3_600)
        parts.append(_("minimum term %(hours)s hours") % {"hours": f"{hours:,}"})
    if price.minimum_won:
        parts.append(_("minimum charge %(won)s") % {"won": f"₩{price.minimum_won:,}"})
    if price.held_price_micros is not None:
        held = describe_price(shape="hourly", unit=price.unit, price_micros=price.held_price_micros)
        parts.append(_("kept while stopped: %(price)s") % {"price": held})
    return " · ".join(parts)


def describe_kind(*, kind: str, meter: str = Meter.DEVICE) -> str:
    """What a line is for, in a word or two."""
    if kind in (LineKind.USAGE, LineKind.CORRECTION) and meter == Meter.HELD:
        return _("Devices kept while stopped")
    if kind in (LineKind.USAGE, LineKind.CORRECTION) and meter == Meter.VOLUME:
        return _("Storage")
    return {
        LineKind.USAGE: _("Usage"),
        LineKind.CORRECTION: _("Correction of usage"),
        LineKind.MINIMUM: _("Minimum term or charge"),
        LineKind.COMMITMENT: _("Commitment, used or not"),
        LineKind.COVERED: _("Covered by the commitment"),
        LineKind.DISCOUNT: _("Discount"),
    }[LineKind(kind)]


def explain_sum(line: Sum, *, numerator: int) -> str:
    """The sum written out: quantity, price, shape and rounding.

    `7 device-seconds × ₩5,400 per device and hour ÷ 3,600 = ₩10.5, rounded half up to ₩11`
    """
    won = format_won(won_from_numerator(numerator))
    exact = _exact(numerator)
    result = exact if exact == won else _("%(exact)s, rounded half up to %(won)s") % {"exact": exact, "won": won}
    if line.basis_points is not None:
        return _explain_discount(line, line.basis_points, numerator=numerator, result=result)
    if line.shape == "minimum":
        return _("Minimum charge %(minimum)s − %(reached)s used = %(result)s") % {
            "minimum": _exact(int(line.base_numerator) + numerator), "reached": _exact(int(line.base_numerator)),
            "result": result,
        }  # fmt: skip
    if line.unit_seconds == 0:
        return f"{describe_kind(kind=line.kind, meter=line.meter)} = {result}"
    count = _SECONDS[line.unit]() % {"count": f"{line.unit_seconds:,}"}
    price = describe_price(shape=line.shape, unit=line.unit, price_micros=line.price_micros)
    if line.shape == "monthly":
        return _("%(count)s × %(price)s ÷ the month's seconds = %(result)s") % {
            "count": count, "price": price, "result": result,
        }  # fmt: skip
    return f"{count} × {price} ÷ 3,600 = {result}"


def _explain_discount(line: Sum, basis_points: int, *, numerator: int, result: str) -> str:
    """`12.5% × ₩5,400 = -₩675`; where the cap leaves less, that is said."""
    facts = {
        "percent": describe_percent(basis_points),
        "base": _exact(int(line.base_numerator)),
        "result": result,
    }
    is_capped = -numerator < share(numerator=max(0, int(line.base_numerator)), basis_points=basis_points)
    return (
        _("%(percent)s × %(base)s, as far as the cap allows = %(result)s")
        if is_capped
        else "%(percent)s × %(base)s = %(result)s"
    ) % facts


def describe_percent(basis_points: int) -> str:
    """`12.5%`."""
    return f"{won_text_from_micros(basis_points * 10_000)}%"


def _exact(numerator: int) -> str:
    """`-₩10.5`."""
    text = exact_won_text(abs(numerator))
    return f"{'-' if numerator < 0 else ''}₩{group(text)}"


def exact_won_text(numerator: int) -> str:
    """Won with up to six decimals, cut; `…` where there are more."""
    sign = "-" if numerator < 0 else ""
    micros, rest = divmod(abs(numerator), 3_600)
    return sign + won_text_from_micros(micros) + ("…" if rest else "")


def group(text: str) -> str:
    """`5400.5` as `5,400.5`."""
    whole, point, fraction = text.partition(".")
    return f"{int(whole):,}{point}{fraction}"

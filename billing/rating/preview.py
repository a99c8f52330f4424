"""What a price would come to, before anything is rented. Pure; estimates, so rounded for showing and never billed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.rating.invoice import vat_on
from billing.rating.minimum import find_missing_minimum
from billing.rating.monthly import HOURS_PER_MONTH
from billing.rating.prices import AgreedPrice
from billing.rating.usage import rate_usage
from marketplace.kernel.money import SECONDS_PER_HOUR, round_half_up, won_from_numerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Whole won: supply value, VAT and both."""

    supply_won: int
    vat_won: int

    @property
    def total_won(self) -> int:
        """VAT included."""
        return self.supply_won + self.vat_won


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What renting would cost.

    Attributes:
        hour: One hour of all devices.
        month: A calendar month of the fixed price, or 730 hours of the others.
        is_month_fixed: Whether the month is a price rather than an estimate.
        hours, estimate: That many hours from now, with the minimum term and charge.
    """

    hour: Amount
    month: Amount
    is_month_fixed: bool
    hours: int
    estimate: Amount


def preview(*, price: AgreedPrice, devices: int, hours: int, now: datetime) -> Preview:
    """The price of `devices` for an hour, a month, and `hours` from now.

    Raises:
        ValueError: The devices are no whole number of the price's units.
    """
    is_fixed = price.shape == "monthly"
    month = month_numerator(price=price, devices=devices)
    hour = round_half_up(numerator=month, denominator=HOURS_PER_MONTH)
    end = now + timedelta(hours=hours)
    used = sum(piece.numerator for piece in rate_usage(prices=[price], devices=devices, started_at=now, ended_at=end))
    missing = find_missing_minimum(
        price=price, devices=devices, used_s=hours * SECONDS_PER_HOUR, charged_numerator=used, ended_at=end
    )
    return Preview(
        hour=_amount(hour),
        month=_amount(month),
        is_month_fixed=is_fixed,
        hours=hours,
        estimate=_amount(used + missing.numerator),
    )


def month_numerator(*, price: AgreedPrice, devices: int) -> int:
    """A calendar month of a price fixed per month, or 730 hours of the others, exactly.

    Raises:
        ValueError: The devices are no whole number of the price's units.
    """
    hours = 1 if price.shape == "monthly" else HOURS_PER_MONTH
    return price.price_micros * price.units(devices) * SECONDS_PER_HOUR * hours


def _amount(numerator: int) -> Amount:
    supply = won_from_numerator(numerator)
    return Amount(supply_won=supply, vat_won=vat_on(supply))

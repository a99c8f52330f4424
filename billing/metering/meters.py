"""What is metered, in which unit, and how an amount grows. Pure.

A timed meter has a level (devices, GiB, addresses) that holds over time: its amount is level × seconds. A counted meter has
no level: its quantity is what was counted in the interval, however long that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Meter(StrEnum):
    """What an interval is about."""

    DEVICE = "device"
    HELD_DEVICE = "held_device"
    VOLUME = "volume"
    RESERVATION = "reservation"
    COMMITMENT = "commitment"
    PUBLIC_ADDRESS = "public_address"
    EGRESS = "egress"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRule:
    """How a meter counts.

    Attributes:
        unit: Of the quantity.
        amount_unit: Of the amount.
        is_timed: Whether the amount is quantity × seconds; else it is the quantity itself.
    """

    unit: str
    amount_unit: str
    is_timed: bool = True


METERS: Final[Mapping[Meter, MeterRule]] = {
    Meter.DEVICE: MeterRule(unit="device", amount_unit="device_second"),
    Meter.HELD_DEVICE: MeterRule(unit="device", amount_unit="device_second"),
    Meter.VOLUME: MeterRule(unit="gib", amount_unit="gib_second"),
    Meter.RESERVATION: MeterRule(unit="device", amount_unit="device_second"),
    Meter.COMMITMENT: MeterRule(unit="device", amount_unit="device_second"),
    Meter.PUBLIC_ADDRESS: MeterRule(unit="address", amount_unit="address_second"),
    Meter.EGRESS: MeterRule(unit="byte", amount_unit="byte", is_timed=False),
}

QUANTITY_MAX: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly; 8 PiB of egress in one interval."""


def amount_of(*, meter: Meter, quantity: int, seconds: int) -> int:
    """The amount of an interval in the meter's amount unit; exact."""
    return quantity * seconds if METERS[meter].is_timed else quantity

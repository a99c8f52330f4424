"""What was agreed: a price with its shape, unit and minimums, as plain data that is kept with the instance. Pure.

A shape is a module with `NAME`, `accrue`, `rate_per_second` and `micros_per_hour`; a further one is a further file and a row in
`SHAPES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

from billing.rating import hourly, monthly


class Shape(Protocol):
    """How a price becomes cost over time."""

    NAME: str

    def accrue(self, *, price_micros: int, units: int, started_at: datetime, ended_at: datetime) -> int:
        """The exact numerator of an interval; parts add up to the whole."""

    def rate_per_second(self, *, price_micros: int, units: int, at: datetime) -> int:
        """What a second adds; for displays."""

    def micros_per_hour(self, *, price_micros: int) -> int:
        """For comparing prices of different shapes."""


SHAPES: Final[Mapping[str, Shape]] = {hourly.NAME: hourly, monthly.NAME: monthly}


class Plan(StrEnum):
    """How capacity is bought."""

    ON_DEMAND = "on_demand"
    INTERRUPTIBLE = "interruptible"
    MONTHLY = "monthly"


class Unit(StrEnum):
    """What one price buys."""

    DEVICE = "device"
    SERVER = "server"
    GIB = "gib"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedPrice:
    """A price as agreed.

    Attributes:
        since: From when it holds; None = from the beginning of the rent.
        unit_devices: Devices in one unit: 1, or those of a server.
        price_micros: Millionths of a won per unit and hour or month, by shape; VAT apart.
        held_price_micros: Per unit and hour while the instance is stopped and keeps its devices; None = devices are not kept.
        minimum_s: Minimum term in seconds of use; what is missing at the end is charged.
        minimum_won: Minimum charge of the instance in whole won.
    """

    price_version_id: UUID
    price_micros: int
    plan: str = Plan.ON_DEMAND.value
    shape: str = hourly.NAME
    unit: str = Unit.DEVICE.value
    unit_devices: int = 1
    held_price_micros: int | None = None
    minimum_s: int = 0
    minimum_won: int = 0
    since: datetime | None = None

    def units(self, devices: int) -> int:
        """How many units so many devices are.

        Raises:
            ValueError: Not a whole number: a part of a server is not sold by the server.
        """
        units, rest = divmod(devices, self.unit_devices)
        if rest:
            message = f"{devices} devices are no whole number of units of {self.unit_devices}"
            raise ValueError(message)
        return units

    @property
    def micros_per_device_hour(self) -> int:
        """For comparing offers, rounded up so that a limit on the price is never passed unseen."""
        return -(-SHAPES[self.shape].micros_per_hour(price_micros=self.price_micros) // self.unit_devices)


_KEPT: Final = (
    "plan",
    "shape",
    "unit",
    "unit_devices",
    "price_micros",
    "held_price_micros",
    "minimum_s",
    "minimum_won",
)


def snapshot(price: AgreedPrice) -> dict[str, Any]:
    """The agreed price as JSON-ready integers and words; `price_version_id` and `since` are kept in columns beside it."""
    return {name: getattr(price, name) for name in _KEPT}


def read_snapshot(
    kept: Mapping[str, Any], *, price_version_id: UUID, price_micros_per_device_hour: int, since: datetime | None = None
) -> AgreedPrice:
    """The inverse of `snapshot`; an empty one, from before there were shapes, is a price per device and hour."""
    values = {name: kept[name] for name in _KEPT if name in kept}
    values.setdefault("price_micros", price_micros_per_device_hour)
    return AgreedPrice(price_version_id=price_version_id, since=since, **values)

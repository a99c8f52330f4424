"""A commitment: N devices for a term, paid whether used or not; what is used within N is covered, what is above is on demand. Pure.

Usage is charged on demand as always. The commitment adds two sums beside it: its fee (N × price, used or not) and, taken off
again, the on-demand price of the usage that it covers. At any instant at most N devices are covered; who comes first is decided by
instance, so that it does not matter how its usage was split.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.rating.months import cut_at_months
from billing.rating.prices import SHAPES, AgreedPrice
from marketplace.kernel.clock import seconds_between


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedSpan:
    """Devices of one instance in use at one hourly on-demand price during [started_at, ended_at).

    Attributes:
        price_micros: Per device and hour, as charged.
    """

    instance_id: UUID
    price_version_id: UUID
    price_micros: int
    devices: int
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """What a commitment covers of one instance at one price."""

    instance_id: UUID
    price_version_id: UUID
    price_micros: int
    device_seconds: int

    @property
    def numerator(self) -> int:
        """What is taken off."""
        return self.price_micros * self.device_seconds


def accrue_fee(*, price: AgreedPrice, devices: int, started_at: datetime, ended_at: datetime) -> int:
    """The fee's exact numerator during [started_at, ended_at); parts add up to the whole."""
    return sum(
        SHAPES[price.shape].accrue(
            price_micros=price.price_micros, units=price.units(devices), started_at=start, ended_at=end
        )
        for start, end in cut_at_months(started_at=started_at, ended_at=ended_at)
    )


def cover(*, spans: Sequence[UsedSpan], devices: int, started_at: datetime, ended_at: datetime) -> tuple[Covered, ...]:
    """The device-seconds within `devices` at every instant of [started_at, ended_at), by instance and price.

    Between two instants at which anything begins or ends, the instances that are in use are served in order of id.
    n log n for the instants, times the instances in use at once.
    """
    sums: dict[tuple[UUID, UUID, int], int] = {}
    begins: dict[datetime, list[UsedSpan]] = {}
    for span in spans:
        if span.ended_at > started_at and span.started_at < ended_at:
            begins.setdefault(max(span.started_at, started_at), []).append(span)
    instants = sorted(
        {*begins, ended_at, *(min(span.ended_at, ended_at) for spans in begins.values() for span in spans)}
    )
    active: list[UsedSpan] = []
    for start, end in itertools.pairwise(instants):
        active = [span for span in active if span.ended_at > start] + begins.get(start, [])
        active.sort(key=lambda span: (span.instance_id, span.started_at))
        _serve(sums, active, devices=devices, seconds=seconds_between(start=start, end=end))
    return tuple(
        Covered(instance_id=key[0], price_version_id=key[1], price_micros=key[2], device_seconds=seconds)
        for key, seconds in sums.items()
    )


def _serve(sums: dict[tuple[UUID, UUID, int], int], active: Iterable[UsedSpan], *, devices: int, seconds: int) -> None:
    left = devices
    for span in active:
        taken = min(left, span.devices)
        if taken <= 0:
            return
        key = (span.instance_id, span.price_version_id, span.price_micros)
        sums[key] = sums.get(key, 0) + taken * seconds
        left -= taken


def still_to_cover(*, covered: Sequence[Covered], already: Mapping[tuple[UUID, UUID, int], int]) -> tuple[Covered, ...]:
    """The difference to what was taken off before, by instance and price; negative where less is covered than was thought."""
    now = {(item.instance_id, item.price_version_id, item.price_micros): item.device_seconds for item in covered}
    keys = sorted({*now, *already}, key=str)
    return tuple(
        Covered(
            instance_id=key[0], price_version_id=key[1], price_micros=key[2],
            device_seconds=now.get(key, 0) - already.get(key, 0),
        )
        for key in keys
        if now.get(key, 0) != already.get(key, 0)
    )  # fmt: skip

"""A commitment: N units for a term, paid whether used or not; what is used within N is covered, what is above is on demand. Pure.

Usage is charged on demand as always. The commitment adds two sums beside it: its fee (N × price, used or not) and, taken off
again, the on-demand price of the usage that it covers. At any instant at most N units are covered; who comes first is decided by
instance, so that it does not matter how its usage was split. Where a payer has several commitments, the earlier one covers first.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.rating.months import cut_at_months
from billing.rating.prices import SHAPES, AgreedPrice
from marketplace.kernel.clock import seconds_between

Key = tuple[UUID, UUID, int]
"""Instance, price version, price per unit and hour in micros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedSpan:
    """Units of one instance in use at one hourly on-demand price during [started_at, ended_at).

    Attributes:
        price_micros: Per unit and hour, as charged.
    """

    instance_id: UUID
    price_version_id: UUID
    price_micros: int
    units: int
    started_at: datetime
    ended_at: datetime

    @property
    def key(self) -> Key:
        """What its covered seconds are summed by."""
        return self.instance_id, self.price_version_id, self.price_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Committed units during [started_at, ended_at)."""

    units: int
    started_at: datetime
    ended_at: datetime


def accrue_fee(*, price: AgreedPrice, devices: int, started_at: datetime, ended_at: datetime) -> int:
    """The fee's exact numerator during [started_at, ended_at); parts add up to the whole."""
    return sum(
        SHAPES[price.shape].accrue(
            price_micros=price.price_micros, units=price.units(devices), started_at=start, ended_at=end
        )
        for start, end in cut_at_months(started_at=started_at, ended_at=ended_at)
    )


def cover_in_turn(*, spans: Sequence[UsedSpan], capacities: Sequence[Capacity]) -> list[dict[Key, int]]:
    """For each commitment the unit-seconds that it covers beyond those before it; the first one first."""
    sums = [cover(spans=spans, capacities=capacities[:count]) for count in range(len(capacities) + 1)]
    return [
        {key: seconds - before.get(key, 0) for key, seconds in after.items() if seconds != before.get(key, 0)}
        for before, after in itertools.pairwise(sums)
    ]


def cover(*, spans: Sequence[UsedSpan], capacities: Sequence[Capacity]) -> dict[Key, int]:
    """The unit-seconds within the committed units at every instant.

    Between two instants at which anything begins or ends, the instances that are in use are served in order of id.
    n log n for the instants, times the instances in use at once.
    """
    if not capacities:
        return {}
    first, last = min(one.started_at for one in capacities), max(one.ended_at for one in capacities)
    begins: dict[datetime, list[UsedSpan]] = {}
    for span in spans:
        if span.ended_at > first and span.started_at < last:
            begins.setdefault(max(span.started_at, first), []).append(span)
    edges = {edge for one in capacities for edge in (one.started_at, one.ended_at)}
    ends = {min(span.ended_at, last) for found in begins.values() for span in found}
    sums: dict[Key, int] = {}
    active: list[UsedSpan] = []
    for start, end in itertools.pairwise(sorted({*begins, *edges, *ends})):
        active = [span for span in active if span.ended_at > start] + begins.get(start, [])
        active.sort(key=lambda span: (span.instance_id, span.started_at))
        units = sum(one.units for one in capacities if one.started_at <= start and one.ended_at >= end)
        _serve(sums, active, units=units, seconds=seconds_between(start=start, end=end))
    return sums


def _serve(sums: dict[Key, int], active: Iterable[UsedSpan], *, units: int, seconds: int) -> None:
    left = units
    for span in active:
        taken = min(left, span.units)
        if taken <= 0:
            return
        sums[span.key] = sums.get(span.key, 0) + taken * seconds
        left -= taken

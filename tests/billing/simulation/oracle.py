"""What should come out: plain intervals and plain numbers, kept beside the product and computed without it."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.market import Renter

Interval = tuple[datetime, datetime]


@dataclass(slots=True)
class Life:
    """What is known of one instance: the price of each time, and when it ran."""

    renter: Renter
    devices: int
    prices: list[tuple[datetime | None, int]]
    runs: list[Interval] = field(default_factory=list)
    started_at: datetime | None = None

    def end_run(self, ended_at: datetime) -> None:
        """It no longer runs; a second time nothing."""
        if self.started_at is not None:
            self.runs.append((self.started_at, max(ended_at, self.started_at)))
            self.started_at = None

    def price_at(self, instant: datetime) -> int:
        """The last agreed price that holds, in micros a device-hour."""
        return [price for since, price in self.prices if since is None or since <= instant][-1]

    def bill(self, excused: Sequence[Interval]) -> tuple[int, int]:
        """Its metered device-seconds and their exact cost, cut where prices change."""
        seconds = numerator = 0
        for begin, stop in itertools.chain.from_iterable(subtract(run, excused) for run in self.runs):
            marks = sorted({begin, stop, *(since for since, _price in self.prices if since and begin < since < stop)})
            for left, right in itertools.pairwise(marks):
                lasts = int((right - left).total_seconds()) * self.devices
                seconds += lasts
                numerator += lasts * self.price_at(left)
        return seconds, numerator


@dataclass(frozen=True, slots=True)
class Pledge:
    """A commitment: so many devices for a term, used or not."""

    renter: Renter
    devices: int
    price: int
    starts: datetime
    ends: datetime

    @property
    def fee(self) -> int:
        """All of it, exact."""
        return self.price * self.devices * int((self.ends - self.starts).total_seconds())


def count_covered(pledges: Sequence[Pledge], lives: Iterable[Life], excused: Sequence[Interval]) -> int:
    """Device-seconds that one tenant's pledges cover: at each moment as many as run, and no more than are pledged."""
    steps: list[tuple[datetime, int, int]] = []
    for pledge in pledges:
        steps += [(pledge.starts, 0, pledge.devices), (pledge.ends, 0, -pledge.devices)]
    for life in lives:
        for begin, stop in itertools.chain.from_iterable(subtract(run, excused) for run in life.runs):
            steps += [(begin, life.devices, 0), (stop, -life.devices, 0)]
    covered = running = pledged = 0
    steps.sort()
    for (at, used, promised), (then, _used, _promised) in itertools.pairwise(steps):
        running, pledged = running + used, pledged + promised
        covered += min(running, pledged) * int((then - at).total_seconds())
    return covered


def subtract(whole: Interval, holes: Iterable[Interval]) -> Iterator[Interval]:
    """What is left of an interval."""
    left = [whole]
    for begin, end in holes:
        left = [
            part
            for start, stop in left
            for part in ((start, min(stop, begin)), (max(start, end), stop))
            if part[0] < part[1]
        ]
    return iter(left)

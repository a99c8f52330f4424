"""Which of several nodes that fit is the best to take? The one whose remainder stays most useful for what is asked for.

In this order: do not break a whole node that the largest requests need; strand no devices without the processors and memory that
requests want with them; fill the tightest hole, and rather one of an accelerator that others can do without. Scores are exact
integers.
`FragmentationPacking` and `BestFit` are the published policies that this one is measured against.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from marketplace.scheduling.stock import Remainder

SHAPES_MAX: Final = 64
"""The most frequent shapes asked for; rarer ones hardly move a score."""
RELEARN_REQUESTS: Final = 500
"""Scores follow demand after so many requests, or when it has grown by a tenth."""
WHOLE_PERCENT: Final = 1
"""The largest size that at least so many requests in a hundred ask for is what whole nodes are kept for."""
STRANDING_WEIGHT: Final = 4
"""A device stranded weighs as much as so many devices left over."""

SCARCITY_PER_DEVICE: Final = 200
"""A hole may be so many thousandths of pressure tighter per device left over, before a plentiful accelerator is the better one."""


class Shape(NamedTuple):
    """What one node must hold for a request, and on which accelerators; empty = any."""

    need: Remainder
    accelerators: frozenset[str]


class Capacity(NamedTuple):
    """What there is of an accelerator: all devices, and the most on one node."""

    devices: int
    on_one_node: int


class Packing(Protocol):
    """Scores a candidate; lower is better."""

    def score(self, *, accelerator: str, free: Remainder, need: Remainder) -> tuple[int, ...]:
        """How good it is to take `need` out of `free`."""


class BestFit:
    """The node with the fewest devices left; then the fewest processors and memory."""

    def score(self, *, accelerator: str, free: Remainder, need: Remainder) -> tuple[int, ...]:
        """Devices, processors and memory left."""
        del accelerator
        return free.minus(need)


class FragmentationPacking:
    """Fragmentation gradient descent (Weng et al., USENIX ATC 2023): the least growth of devices that the demand cannot use.

    Args:
        demand: Shapes asked for, each as often as it is.
    """

    def __init__(self, demand: Iterable[Shape]) -> None:
        """Count the demand."""
        self._shapes = Counter(demand).most_common(SHAPES_MAX)
        self._stranded: dict[tuple[str, Remainder], int] = {}

    def score(self, *, accelerator: str, free: Remainder, need: Remainder) -> tuple[int, ...]:
        """Devices stranded by the placement, weighted by demand."""
        return (self._strand(accelerator, free.minus(need)) - self._strand(accelerator, free),)

    def _strand(self, accelerator: str, free: Remainder) -> int:
        key = (accelerator, free)
        found = self._stranded.get(key)
        if found is None:
            unusable = sum(
                count
                for shape, count in self._shapes
                if (shape.accelerators and accelerator not in shape.accelerators) or not free.holds(shape.need)
            )
            found = self._stranded[key] = unusable * free.devices
        return found


class DemandPacking:
    """What Ondol places by; learns from what is asked for and knows what there is.

    Args:
        capacity: By accelerator.
        demand: Shapes asked for lately, each as often as it was.
    """

    def __init__(self, *, capacity: Mapping[str, Capacity], demand: Iterable[Shape] = ()) -> None:
        """Learn the demand so far."""
        self._capacity = capacity
        self._counts: Counter[Shape] = Counter(demand)
        self._relearn()

    def learn(self, shape: Shape) -> None:
        """Add to the demand."""
        self._counts[shape] += 1
        self._unlearned += 1
        if self._unlearned >= RELEARN_REQUESTS or self._unlearned * 10 > self._counts.total():
            self._relearn()

    def score(self, *, accelerator: str, free: Remainder, need: Remainder) -> tuple[int, ...]:
        """Lower is better; see the module's order."""
        left = free.minus(need)
        stranded = self._strand(left) - self._strand(free)
        scarcity = self._scarcity.get(accelerator, 0)
        stranding = STRANDING_WEIGHT * stranded // self._total
        return (
            int(free.devices >= self._whole > left.devices),
            max(0, stranding),
            left.devices + stranding + scarcity // SCARCITY_PER_DEVICE,
            scarcity,
            left.cpu_millis,
            left.memory_mib,
        )

    def _relearn(self) -> None:
        self._unlearned = 0
        self._total = max(1, self._counts.total())
        sizes: Counter[int] = Counter()
        slices: Counter[Remainder] = Counter()
        for shape, count in self._counts.items():
            need = shape.need
            sizes[need.devices] += count
            slices[Remainder(1, need.cpu_millis // need.devices, need.memory_mib // need.devices)] += count
        common = [size for size, count in sizes.items() if count * 100 >= WHOLE_PERCENT * self._total]
        self._whole = max(common, default=0)
        self._slices = slices.most_common(SHAPES_MAX)
        self._stranded: dict[Remainder, int] = {}
        self._scarcity = self._measure_scarcity()

    def _measure_scarcity(self) -> Mapping[str, int]:
        """Devices asked for by those who cannot go everywhere, in thousandths of what is there for them."""
        pressure: defaultdict[str, float] = defaultdict(float)
        for shape, count in self._counts.items():
            able = [
                name
                for name, capacity in self._capacity.items()
                if (not shape.accelerators or name in shape.accelerators) and capacity.on_one_node >= shape.need.devices
            ]
            if len(able) == len(self._capacity):
                continue
            devices = sum(self._capacity[name].devices for name in able)
            for name in able:
                pressure[name] += count * shape.need.devices / devices
        return {name: int(1_000 * value) for name, value in pressure.items()}

    def _strand(self, free: Remainder) -> int:
        """Devices without the processors or memory that one device is asked for with, weighted by demand."""
        found = self._stranded.get(free)
        if found is None:
            unusable = sum(count for piece, count in self._slices if not free.holds(piece))
            found = self._stranded[free] = unusable * free.devices
        return found

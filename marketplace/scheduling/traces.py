"""Made-up traces with the shape of published GPU cluster traces: many small requests, few large ones, heavy-tailed durations.

Shapes, not data: sizes, device mixes and tails follow what operators of large clusters have published; every row is drawn from
a seed.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from marketplace.scheduling.simulator import NodeRow, RequestRow

HOUR_S: Final = 3_600.0
DURATION_MEDIAN_S: Final = 1.2 * HOUR_S
DURATION_SIGMA: Final = 1.6
DURATION_S_MAX: Final = 7 * 24 * HOUR_S
TENANTS: Final = 40
ANY_SHARE: Final = 0.6
"""So many requests take any accelerator; the others name one or two."""


class Mix(StrEnum):
    """What is asked for."""

    SINGLE = "single"
    MULTI = "multi"


_SIZES: Final = {
    Mix.SINGLE: ((1, 88), (2, 7), (4, 3), (8, 2)),
    Mix.MULTI: ((1, 80), (2, 9), (4, 5), (8, 6)),
}
"""Requests of each size in a hundred; in the second mix requests of 2, 4 and 8 devices ask for about half of all devices."""


@dataclass(frozen=True, slots=True)
class _NodeKind:
    accelerator: str
    count: int
    devices: int
    vcpu: int
    memory_mib: int


_NODES: Final = (
    _NodeKind("nvidia-h200", 300, 8, 128, 1_500_000),
    _NodeKind("nvidia-a100", 200, 8, 96, 1_000_000),
    _NodeKind("furiosa-rngd", 200, 4, 48, 384_000),
    _NodeKind("nvidia-l40s", 150, 4, 64, 384_000),
    _NodeKind("rebellions-atom", 250, 2, 24, 192_000),
    _NodeKind("nvidia-t4", 100, 1, 12, 96_000),
)
"""1,200 nodes, 6,000 devices."""


def make_nodes(*, scale: float = 1.0) -> list[NodeRow]:
    """The cluster; `scale` shrinks or grows every kind, at least one node each."""
    return [
        NodeRow(
            node=f"{kind.accelerator}-{number:04d}",
            accelerator=kind.accelerator,
            devices=kind.devices,
            vcpu=kind.vcpu,
            memory_mib=kind.memory_mib,
        )
        for kind in _NODES
        for number in range(max(1, round(kind.count * scale)))
    ]


def make_requests(
    *, mix: Mix, count: int, seed: int, is_endless: bool = False, per_hour: float = 900.0, tenants: int = TENANTS
) -> list[RequestRow]:
    """Requests in order of coming.

    Args:
        is_endless: Nothing ever ends: fills the cluster until nothing fits.
        per_hour: Mean rate of arrivals.
    """
    random_ = random.Random(seed)  # noqa: S311 - a simulation, and it must be repeatable
    at_s = 0.0
    rows = []
    for number in range(count):
        at_s += random_.expovariate(per_hour / HOUR_S)
        devices = _draw(random_, _SIZES[mix])
        rows.append(
            RequestRow(
                request=f"r{number:06d}",
                tenant=f"t{random_.randrange(tenants):03d}",
                submit_s=round(at_s, 3),
                duration_s=None if is_endless else _draw_duration_s(random_),
                devices=devices,
                accelerators=_draw_accelerators(random_, devices),
                vcpu=devices * _draw(random_, ((2, 10), (4, 20), (8, 30), (12, 30), (16, 10))),
                memory_mib=devices
                * _draw(random_, ((16_000, 20), (32_000, 25), (64_000, 30), (96_000, 15), (128_000, 10))),
            )
        )
    return rows


def _draw(random_: random.Random, weighted: Sequence[tuple[int, int]]) -> int:
    return random_.choices([value for value, _ in weighted], weights=[weight for _, weight in weighted])[0]


def _draw_duration_s(random_: random.Random) -> float:
    return float(round(min(DURATION_S_MAX, max(60.0, DURATION_MEDIAN_S * random_.lognormvariate(0, DURATION_SIGMA)))))


def _draw_accelerators(random_: random.Random, devices: int) -> frozenset[str]:
    """A request that names an accelerator names one whose nodes are large enough."""
    if random_.random() < ANY_SHARE:
        return frozenset()
    able = [kind for kind in _NODES if kind.devices >= devices]
    weights = [kind.count * kind.devices for kind in able]
    return frozenset(random_.choices([kind.accelerator for kind in able], weights=weights, k=random_.choice((1, 1, 2))))

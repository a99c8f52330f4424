"""`python -m bench.packing`: our packing against the published policies on made-up traces of 1,200 nodes and 6,000 devices.

Nothing ends in these replays, so what is compared is how much of the cluster each policy fills and whom it leaves outside. Every
line is the mean over the seeds; ours stands beside best-fit and fragmentation gradient descent (Weng et al., USENIX ATC 2023),
which replay the same requests in the same process. Needs neither a database nor a cluster.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from marketplace.scheduling.report import summarise
from marketplace.scheduling.simulator import Policy, Simulation
from marketplace.scheduling.traces import Mix, make_nodes, make_requests

DEMANDS: Final[Mapping[Mix, Sequence[int]]] = {Mix.MULTI: (3_600, 4_400), Mix.SINGLE: (4_500, 6_000)}
"""Requests by mix: about as many devices as there are, and about a fifth more."""
SEEDS_DEFAULT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """One policy on one trace, over the seeds; shares from 0 to 1.

    Attributes:
        failed_8: Share of the 8-device requests that never started.
        worst_gap: How far the worst seed's allocation ratio lies below the better of the other two policies; negative when above.
    """

    mix: str
    requests: int
    policy: str
    allocation_ratio: float
    failed_8: float
    failed_all: float
    worst_gap: float


def compare(*, mix: Mix, count: int, seeds: int) -> list[Packed]:
    """Replay one trace per seed by every policy."""
    nodes = make_nodes()
    figures: dict[Policy, list[tuple[float, float, float]]] = {policy: [] for policy in Policy}
    for seed in range(1, seeds + 1):
        requests = make_requests(mix=mix, count=count, seed=seed, is_endless=True)
        for policy in Policy:
            outcome = Simulation(nodes=nodes, requests=requests, policy=policy, has_estimates=False).run()
            found = summarise(outcome, policy=policy.value, elapsed_s=1.0)
            failed_8 = next(row["failed_share"] for row in found["by_size"] if row["devices"] == 8)
            figures[policy].append((found["allocation_ratio"], failed_8, found["never_started"] / found["requests"]))
    return [
        Packed(
            mix=mix.value,
            requests=count,
            policy=policy.value,
            allocation_ratio=statistics.fmean(row[0] for row in rows),
            failed_8=statistics.fmean(row[1] for row in rows),
            failed_all=statistics.fmean(row[2] for row in rows),
            worst_gap=max(
                max(figures[other][index][0] for other in Policy if other is not policy) - row[0]
                for index, row in enumerate(rows)
            ),
        )
        for policy, rows in figures.items()
    ]


def main() -> int:
    """Replay and print."""
    parser = argparse.ArgumentParser(prog="bench.packing")
    parser.add_argument("--seeds", type=int, default=SEEDS_DEFAULT)
    parser.add_argument("--mix", choices=[mix.value for mix in Mix], help="default both")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [
        packed
        for mix, counts in DEMANDS.items()
        if options.mix in (None, mix.value)
        for count in counts
        for packed in compare(mix=mix, count=count, seeds=options.seeds)
    ]
    if options.json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
        return 0
    table = Table(title=f"Final allocation of 6,000 devices, mean of {options.seeds} seeds")
    for column in ("mix", "requests", "policy", "allocation ratio", "8-device failed", "all failed", "worst gap"):
        table.add_column(column, justify="left" if column in ("mix", "policy") else "right")
    for row in rows:
        table.add_row(
            row.mix, f"{row.requests:,}", row.policy, f"{row.allocation_ratio:.4f}", f"{row.failed_8:.4f}",
            f"{row.failed_all:.4f}", f"{row.worst_gap:+.4f}",
        )  # fmt: skip
    Console(width=120).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

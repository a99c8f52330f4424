"""What a replay is judged by: allocation, fragmentation, who never started, waiting, fairness, estimates."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from marketplace.scheduling.simulator import Outcome, jain


def summarise(outcome: Outcome, *, policy: str, elapsed_s: float) -> dict[str, Any]:
    """The figures as plain data; seconds where the name ends in `_s`, shares from 0 to 1.

    Args:
        elapsed_s: How long the replay took, for decisions per second.
    """
    asked: defaultdict[int, int] = defaultdict(int)
    failed: defaultdict[int, int] = defaultdict(int)
    waits: defaultdict[int, list[float]] = defaultdict(list)
    for start in outcome.starts:
        size = start.row.devices * start.row.nodes
        asked[size] += 1
        waits[size].append(start.started_s - start.row.submit_s)
    for row in outcome.never_started:
        asked[row.devices * row.nodes] += 1
        failed[row.devices * row.nodes] += 1
    received = list(outcome.device_seconds.values())
    free = outcome.devices - outcome.final_allocated
    return {
        "policy": policy,
        "devices": outcome.devices,
        "requests": sum(asked.values()),
        "allocation_ratio": outcome.allocation_ratio,
        "fragmentation": outcome.stranded_devices / free if free else 0.0,
        "never_started": sum(failed.values()),
        "interruptions": outcome.interruptions,
        "by_size": [
            {
                "devices": size,
                "requests": asked[size],
                "failed_share": failed[size] / asked[size],
                "wait_p50_s": quantile(waits[size], 0.5),
                "wait_p90_s": quantile(waits[size], 0.9),
                "wait_max_s": max(waits[size], default=None),
            }
            for size in sorted(asked)
        ],
        "jain_index": jain(received),
        "estimates": _score_estimates(outcome),
        "decisions": outcome.decisions,
        "decisions_per_s": outcome.decisions / elapsed_s if elapsed_s else None,
    }


def _score_estimates(outcome: Outcome) -> dict[str, Any]:
    errors = [start.started_s - start.estimate_p90_s for start in outcome.starts if start.estimate_p90_s is not None]
    return {
        "made": len(errors),
        "started_in_time_share": sum(error <= 0 for error in errors) / len(errors) if errors else None,
        "late_p90_s": quantile([max(0.0, error) for error in errors], 0.9),
        "early_p50_s": quantile([max(0.0, -error) for error in errors], 0.5),
    }


def quantile(values: Sequence[float], share: float) -> float | None:
    """Nearest rank; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

"""What a figure is: ours and a baseline in one run, interleaved A-B-B-A; void when the baseline is not steady."""

import resource
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

SPREAD_MAX: Final = 0.15
"""A baseline whose spread (interquartile range ÷ median) passes this makes the ratio void; it is not rerun until it passes."""
PAIRS_MIN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        ours, baseline: Medians, in `unit`.
        ratio: `ours / baseline`, or the difference where the goal is one; None when void.
        spread: Of the baseline.
    """

    code: str
    what: str
    unit: str
    ours: float
    baseline: float | None
    ratio: float | None
    spread: float | None
    goal: str
    meets_goal: bool | None
    cpu_s: float
    note: str = ""

    def row(self) -> list[str]:
        """As printed."""
        shown = (
            "void"
            if self.ratio is None and self.baseline is not None
            else ""
            if self.ratio is None
            else f"{self.ratio:.2f}"
        )
        verdict = {True: "yes", False: "no", None: "–"}[self.meets_goal]
        baseline = "" if self.baseline is None else f"{self.baseline:.2f}"
        spread = "" if self.spread is None else f"{self.spread:.0%}"
        return [
            self.code, self.what, f"{self.ours:.2f} {self.unit}", baseline, shown, spread, self.goal, verdict,
            f"{self.cpu_s:.1f}", self.note,
        ]  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """For bench/results."""
        return asdict(self)


def interleave(
    *, ours: Callable[[], float], baseline: Callable[[], float], pairs: int = PAIRS_MIN
) -> tuple[list[float], list[float]]:
    """Measure A-B-B-A …, so that a machine that drifts drifts for both."""
    left: list[float] = []
    right: list[float] = []
    for index in range(pairs):
        first, second = (ours, baseline) if index % 2 == 0 else (baseline, ours)
        for measure in (first, second):
            (left if measure is ours else right).append(measure())
    return left, right


def spread_of(values: Sequence[float]) -> float:
    """Interquartile range ÷ median."""
    quartiles = statistics.quantiles(values, n=4)
    return (quartiles[2] - quartiles[0]) / statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cpu_s() -> float:
    """Processor seconds of this process and of its ended children; running services are not in it."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime

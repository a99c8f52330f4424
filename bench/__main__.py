"""`python -m bench [names]`: print the table and write bench/results/<date>.json."""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.arena import Arena, arena
from bench.catalogue import bench_catalogue
from bench.figures import Figure
from bench.listing import MACHINE, bench_list
from bench.postings import bench_postings
from bench.renting import bench_calls, bench_latency, bench_throughput
from bench.running_cost import bench_running_cost
from bench.usage_events import bench_usage_events

BENCHES: dict[str, Callable[[Arena], list[Figure]]] = {
    "calls": bench_calls,
    "latency": bench_latency,
    "throughput": lambda place: [bench_throughput(place)],
    "list": bench_list,
    "usage": lambda place: bench_usage_events(stack=place.stack, environment=place.environment),
    "catalogue": lambda _place: bench_catalogue(),
    "postings": lambda _place: bench_postings(),
}
ALONE: dict[str, Callable[[], list[Figure]]] = {
    "running-cost": bench_running_cost,
    "placements": lambda: _run_program("bench.placements"),
}
"""Benches with a machine of their own, each run by itself and only when named, since building its market takes long."""
RESULTS = Path(__file__).with_name("results")


def main() -> int:
    """Run the chosen benches in one arena."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument(
        "names", nargs="*", choices=[[], *BENCHES, *ALONE],
        help=f"of {', '.join(BENCHES)}; default all of them; or {', '.join(ALONE)} alone",
    )  # fmt: skip
    names = parser.parse_args().names or list(BENCHES)
    if len(names) == 1 and names[0] in ALONE:
        return _report(ALONE[names[0]]())
    if set(names) & set(ALONE):
        parser.error(f"{', '.join(ALONE)} has a machine of its own: name nothing beside it")
    figures: list[Figure] = []
    with arena() as place:
        for name in names:
            figures.extend(BENCHES[name](place))
    return _report(figures)


def _report(figures: list[Figure]) -> int:
    """Print the table and keep it."""
    table = Table(title="Ondol against its baselines, one run")
    for column in ("", "figure", "ours", "baseline", "ratio", "spread", "goal", "met", "client CPU s", "note"):
        table.add_column(column)
    for figure in figures:
        table.add_row(*figure.row())
    Console(width=200).print(table)
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    target = RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    facts = {**MACHINE, "system": platform.platform(), "at": now.isoformat()}
    target.write_text(
        json.dumps({"machine": facts, "figures": [figure.as_json() for figure in figures]}, indent=1) + "\n"
    )
    sys.stdout.write(f"{target.relative_to(Path.cwd())}\n")
    return 0


def _run_program(module: str) -> list[Figure]:
    """The figures of a bench that is a process of its own and writes them as JSON."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "figures.json"
        subprocess.run([sys.executable, "-m", module, f"--json={target}"], check=True)
        return [Figure(**item) for item in json.loads(target.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    sys.exit(main())

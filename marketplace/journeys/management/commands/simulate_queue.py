"""`manage.py simulate_queue`: replay a trace through the code that places in production."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marketplace.kernel import clock
from marketplace.scheduling.report import summarise
from marketplace.scheduling.simulator import Outcome, Policy, Simulation
from marketplace.scheduling.trace_files import NODE_COLUMNS, REQUEST_COLUMNS, TraceInvalid, read_nodes, read_requests

PLOT_SUFFIXES = (".png", ".svg")


class Command(BaseCommand):
    """Prints a table, or JSON; draws the queue over time where asked to."""

    help = (
        f"Replay a trace in virtual time. Nodes: {','.join(NODE_COLUMNS)}. Requests: {','.join(REQUEST_COLUMNS)}; devices, vcpu "
        "and memory_mib are for each node, an empty duration_s lasts until the end, accelerators are joined by | and empty for any."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Files and choices."""
        parser.add_argument("--nodes", type=Path, required=True)
        parser.add_argument("--requests", type=Path, required=True)
        parser.add_argument("--policy", choices=[policy.value for policy in Policy], default=Policy.ONDOL.value)
        parser.add_argument(
            "--half-life-s", type=float, default=7 * 86_400.0, help="of what tenants used; default a week"
        )
        parser.add_argument("--no-estimates", action="store_true", help="do not estimate starts; faster")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--plot", type=Path, help="draw allocation over time and waiting by size; .png or .svg")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Check the files, replay, print."""
        target: Path | None = options["plot"]
        if target is not None and target.suffix not in PLOT_SUFFIXES:
            raise CommandError("--plot ends in .png or .svg")
        if options["half_life_s"] <= 0:
            raise CommandError("--half-life-s is more than 0")
        try:
            nodes, requests = read_nodes(options["nodes"]), read_requests(options["requests"])
        except TraceInvalid as error:
            raise CommandError(str(error)) from error
        began_s = clock.monotonic_s()
        outcome = Simulation(
            nodes=nodes,
            requests=requests,
            policy=Policy(options["policy"]),
            half_life_s=options["half_life_s"],
            has_estimates=not options["no_estimates"],
        ).run()
        figures = summarise(outcome, policy=options["policy"], elapsed_s=clock.monotonic_s() - began_s)
        if target is not None:
            _plot(outcome, target)
        self.stdout.write(json.dumps(figures, indent=1) if options["json"] else _table(figures))


def _table(figures: dict[str, Any]) -> str:
    lines = [
        f"policy {figures['policy']}: {figures['requests']} requests on {figures['devices']} devices",
        f"allocation ratio   {figures['allocation_ratio']:.4f}   (when the last request had come)",
        f"fragmentation      {figures['fragmentation']:.4f}   (share of free devices that a request could not use)",
        f"never started      {figures['never_started']}",
        f"interruptions      {figures['interruptions']}",
        f"Jain index         {figures['jain_index']:.4f}   (device-seconds by tenant)",
        f"decisions          {figures['decisions']}   ({figures['decisions_per_s']:.0f}/s)",
        f"estimates          {_estimates(figures['estimates'])}",
        "",
        "devices  requests   failed   wait p50   wait p90   wait max",
    ]
    for row in figures["by_size"]:
        waits = "".join(f"{_seconds(row[name]):>11}" for name in ("wait_p50_s", "wait_p90_s", "wait_max_s"))
        lines.append(f"{row['devices']:>7}  {row['requests']:>8}  {row['failed_share']:>6.1%}{waits}")
    return "\n".join(lines)


def _estimates(scored: dict[str, Any]) -> str:
    if not scored["made"]:
        return "none made"
    return f"{scored['made']}, {scored['started_in_time_share']:.1%} started in time, late p90 {_seconds(scored['late_p90_s'])}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} s"


def _plot(outcome: Outcome, target: Path) -> None:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra; everything else works without it
    except ImportError as error:
        raise CommandError("--plot needs matplotlib: install it, or sync the extra `plots`") from error
    figure = Figure(figsize=(10, 7), layout="constrained")
    over_time, by_size = figure.subplots(2, 1)
    hours = [at_s / 3_600 for at_s, _devices in outcome.allocated]
    over_time.step(hours, [devices for _at, devices in outcome.allocated], where="post", color="#1f5fd0")
    over_time.axhline(outcome.devices, color="#777777", linestyle="--", linewidth=1)
    over_time.annotate("all devices", (0, outcome.devices), va="bottom", color="#555555")
    over_time.set(xlabel="hours", ylabel="devices allocated", ylim=(0, outcome.devices * 1.08))
    sizes = sorted({start.row.devices * start.row.nodes for start in outcome.starts})
    waits = [
        [(s.started_s - s.row.submit_s) / 60 for s in outcome.starts if s.row.devices * s.row.nodes == size]
        for size in sizes
    ]
    if sizes:
        by_size.boxplot(waits, tick_labels=[str(size) for size in sizes], whis=(10, 90), showfliers=False)
    by_size.set(xlabel="devices asked for", ylabel="minutes waited (10–90 %)")
    figure.savefig(target)

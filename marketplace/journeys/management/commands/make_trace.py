"""`manage.py make_trace`: a made-up trace with the shape of published GPU cluster traces, for `simulate_queue`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marketplace.scheduling.trace_files import write_nodes, write_requests
from marketplace.scheduling.traces import Mix, make_nodes, make_requests


class Command(BaseCommand):
    """Writes two CSV files."""

    help = "Write a cluster of 1,200 nodes and 6,000 devices, and requests for it, drawn from a seed."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Shape, size and files."""
        parser.add_argument("--mix", choices=[mix.value for mix in Mix], default=Mix.MULTI.value)
        parser.add_argument("--count", type=int, default=8_000, help="requests; default 8,000")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--per-hour", type=float, default=900.0, help="mean rate of requests; default 900")
        parser.add_argument("--endless", action="store_true", help="nothing ever ends")
        parser.add_argument("--nodes", type=Path, required=True, help="file to write")
        parser.add_argument("--requests", type=Path, required=True, help="file to write")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Draw and write."""
        if options["count"] < 1 or options["per_hour"] <= 0:
            raise CommandError("--count and --per-hour are more than 0")
        nodes = make_nodes()
        requests = make_requests(
            mix=Mix(options["mix"]),
            count=options["count"],
            seed=options["seed"],
            is_endless=options["endless"],
            per_hour=options["per_hour"],
        )
        write_nodes(options["nodes"], nodes)
        write_requests(options["requests"], requests)
        devices = sum(node.devices for node in nodes)
        self.stdout.write(f"{len(nodes)} nodes with {devices} devices, {len(requests)} requests")

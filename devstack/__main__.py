"""`python -m devstack <command>`: the machine from the command line; `make help` lists the usual ways in."""

import argparse
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from types import FrameType

import psycopg

from devstack import assets, chromium, doctor, messages
from devstack.child import ChildFailed
from devstack.demo.result import StoryFailed
from devstack.fleet import FLEET, add_fleet
from devstack.kubernetes.admin_api import ApiRefused
from devstack.kubernetes.build import BuildFailed, find_or_build_assets
from devstack.lock import DemoRuns, demo_lock
from devstack.paths import PortInUse
from devstack.postgres import PostgresNotFound
from devstack.processes import Ports, Processes
from devstack.progress import console, step
from devstack.stack import CommandFailed, Stack

DATABASE = "ondol"
TELLABLE = (
    ApiRefused,
    BuildFailed,
    ChildFailed,
    CommandFailed,
    DemoRuns,
    PortInUse,
    PostgresNotFound,
    StoryFailed,
    TimeoutError,
    assets.AssetsFailed,
    chromium.ChromiumMissing,
    messages.MessagesBroken,
    psycopg.OperationalError,
)
"""Failures whose message tells a person what to do; a traceback would only hide it. All others are our faults."""


def main() -> int:
    """Run one command; returns the exit code."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    arguments = _parse()
    command: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return command(arguments)
    except KeyboardInterrupt:
        console.print("ended")
        return 130
    except TELLABLE as error:
        console.print(f"[red]✗ {type(error).__name__}[/]: ", end="")
        console.print(str(error), markup=False)
        return 1


def up(arguments: argparse.Namespace) -> int:
    """Serve an empty Ondol on two clusters until Ctrl-C."""
    ports = Ports.wanted(web=arguments.port, console=arguments.console_port)
    with demo_lock(url=f"http://127.0.0.1:{ports.web}"), Stack() as stack:
        processes = start_ondol(stack, ports=ports, installation_id=uuid.uuid4())
        return serve(processes, stack=stack)


def demo(arguments: argparse.Namespace) -> int:
    """Play the main job in the foreground, then serve until Ctrl-C unless `--once`."""
    from devstack.demo import story  # noqa: PLC0415 - it needs parts of the product that the other commands do not

    ports = Ports.wanted(web=arguments.port, console=arguments.console_port)
    with demo_lock(url=f"http://127.0.0.1:{ports.web}"), Stack() as stack:
        installation_id = uuid.uuid4()
        processes = start_ondol(stack, ports=ports, installation_id=installation_id)
        result = story.run(
            stack=stack,
            processes=processes,
            database=DATABASE,
            installation_id=installation_id,
            console=console,
            once=arguments.once,
        )
        if arguments.once:
            stack.close()
        else:
            for line in result.visitor_lines:
                console.print(line)
        print(result.summary(), flush=True)
        return 0 if arguments.once else serve(processes, stack=stack)


def start_ondol(stack: Stack, *, ports: Ports, installation_id: uuid.UUID) -> Processes:
    """Start the machine, the demo's fleet and all processes; returns when the portal is ready.

    Raises:
        One of `TELLABLE`.
    """
    stack.start(clusters=tuple(FLEET))
    with step("Simulated machines", expected_s=2):
        add_fleet(stack)
    stack.create_database(name=DATABASE)
    processes = stack.processes(database=DATABASE, installation_id=installation_id, ports=ports)
    with step("Ondol: web, console, worker, beat, watcher, admitter", expected_s=8):
        processes.start()
    return processes


def serve(processes: Processes, *, stack: Stack) -> int:
    """Say where Ondol is and wait for Ctrl-C; returns 1 when a process ended by itself.

    Raises:
        ChildFailed: A process of Ondol ended; with the end of its log.
    """
    console.print(f"[bold]Portal[/] {processes.url}   [bold]Console[/] {processes.console_url}   Logs {stack.logs}")
    console.print("Ctrl-C ends everything")
    while True:
        if (name := processes.find_ended()) is not None:
            raise ChildFailed(f"{name} ended\n{processes.log_tail(name)}")
        time.sleep(0.5)


def kube_build(_arguments: argparse.Namespace) -> int:
    """Build or find Kubernetes' programs and print their directory."""
    print(find_or_build_assets())
    return 0


def show_doctor(_arguments: argparse.Namespace) -> int:
    """Say what this machine has."""
    return 0 if doctor.report() else 1


def build_static(_arguments: argparse.Namespace) -> int:
    """Build static files and translations."""
    assets.build_assets()
    for path in messages.compile_messages():
        console.print(f"compiled {path}")
    return 0


def show_chromium(_arguments: argparse.Namespace) -> int:
    """Find or install a Chromium and print its path."""
    print(chromium.find_or_install_chromium())
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devstack", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    serving = argparse.ArgumentParser(add_help=False)
    serving.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))
    serving.add_argument("--console-port", type=int, default=int(os.environ.get("CONSOLE_PORT") or 8001))
    playing = commands.add_parser("demo", help="play the main job, then serve", parents=[serving])
    playing.add_argument("--once", action="store_true", help="exit when the story is over")
    playing.set_defaults(run=demo)
    commands.add_parser("up", help="serve an empty Ondol", parents=[serving]).set_defaults(run=up)
    for name, run, text in (
        ("kube-build", kube_build, "build Kubernetes' programs"),
        ("doctor", show_doctor, "say what is found and missing"),
        ("assets", build_static, "build static files and translations"),
        ("chromium", show_chromium, "find or install a Chromium"),
    ):
        commands.add_parser(name, help=text).set_defaults(run=run)
    return parser.parse_args()


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())

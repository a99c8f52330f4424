"""What is happening and about how long it takes, readable in a terminal and in a log file."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

HEARTBEAT_S = 15
"""In a log file a running step says every so often that it still runs."""

console = Console(file=sys.stderr, highlight=False, soft_wrap=True)


class Step:
    """A running step; `say` replaces the detail shown beside its name."""

    def __init__(self, *, name: str, expected_s: float) -> None:
        """Nothing is shown yet."""
        self.name = name
        self.detail = ""
        self._expected_s = expected_s
        self._begin = time.monotonic()

    def say(self, detail: str) -> None:
        """Replace the detail."""
        self.detail = detail

    @property
    def elapsed_s(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self._begin

    def line(self) -> str:
        """The step in one line: name, elapsed, expected, detail."""
        expected = f" of about {format_duration(self._expected_s)}" if self._expected_s >= 5 else ""
        detail = f" · {self.detail}" if self.detail else ""
        return f"{self.name} … {format_duration(self.elapsed_s)}{expected}{detail}"


@contextmanager
def step(name: str, *, expected_s: float = 0) -> Iterator[Step]:
    """Show a step while the block runs, then how long it took, or that it failed.

    Args:
        name: What is done, in English, beginning with a noun.
        expected_s: About how long it takes on two cores; shown from 5 s on.
    """
    current = Step(name=name, expected_s=expected_s)
    ended = threading.Event()
    show = _spin if console.is_terminal else _beat
    thread = threading.Thread(target=show, args=(current, ended), daemon=True)
    thread.start()
    mark = "[red]✗[/]"
    try:
        yield current
        mark = "[green]✓[/]"
    finally:
        ended.set()
        thread.join()
        detail = f" · {current.detail}" if current.detail else ""
        console.print(f"{mark} {name} ({format_duration(current.elapsed_s)}){detail}")


def format_duration(seconds: float) -> str:
    """`0.4 s`, `12 s` or `3 min 5 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _spin(current: Step, ended: threading.Event) -> None:
    with console.status(current.line()) as status:
        while not ended.wait(0.2):
            status.update(current.line())


def _beat(current: Step, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_S):
        console.print(f"  {current.line()}")

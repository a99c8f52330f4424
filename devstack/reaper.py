"""End everything that a devstack started, even when the devstack itself is killed with SIGKILL.

A small process of its own session holds the reading end of a pipe. When the pipe closes, for whatever reason, it ends every
process that carries the devstack's token in its environment, and removes the state directory. The token is inherited by
grandchildren, also by those that left their session, so none is missed; a parent-death signal would reach direct children only
and is lost when a process changes its uid.

Runs as a script with nothing but the standard library, so that it starts in 20 ms and takes a few MiB.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final, Protocol

TOKEN_VARIABLE: Final = "ONDOL_DEVSTACK_TOKEN"
GRACE_S: Final = 4.0
"""Between SIGTERM and SIGKILL: enough for PostgreSQL and etcd to close; nothing there outlives the devstack anyway."""


class Reaper:
    """The parent's side: as long as this object lives and is not closed, its children may run."""

    def __init__(self, *, state: "Removable") -> None:
        """Choose a token; the reaper's process starts with the first child. `state` is removed at the end."""
        self.token = secrets.token_hex(16)
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ensure_started(self) -> None:
        """Start the reaper's process unless it runs; safe from several threads."""
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", __file__, self.token, str(self._state.path)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    cwd="/",
                )

    def close(self) -> None:
        """End whatever still runs, remove the directory, wait for it; repeatable."""
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
                self._process.wait()
        self._state.remove()


class Removable(Protocol):
    """A directory that goes away with the devstack."""

    @property
    def path(self) -> Path:
        """The directory."""
        ...

    def remove(self) -> None:
        """Delete it."""
        ...


def find_processes(token: str) -> list[int]:
    """Ids of the processes that inherited the token, zombies excluded."""
    wanted = f"{TOKEN_VARIABLE}={token}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            # Another user's process may not be read, and any may end between listing and reading.
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def end_processes(token: str, *, grace_s: float = GRACE_S) -> None:
    """Signal every process that carries the token, more firmly as time passes, until none is left.

    SIGQUIT is what ends PostgreSQL at once without leaving shared memory behind.
    """
    begin = time.monotonic()
    told: set[tuple[int, signal.Signals]] = set()
    while pids := find_processes(token):
        share = (time.monotonic() - begin) / grace_s
        number = signal.SIGTERM if share < 0.5 else signal.SIGQUIT if share < 1 else signal.SIGKILL
        for pid in pids:
            if (pid, number) not in told:
                told.add((pid, number))
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        time.sleep(0.05)


def main() -> None:
    """Wait for the end of the parent, then reap."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    token, directory = sys.argv[1:3]
    while sys.stdin.buffer.read(4096):
        pass
    end_processes(token)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()

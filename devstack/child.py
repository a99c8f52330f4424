"""One supervised process: its log in a file, its own session, ended together with everything it started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devstack.reaper import TOKEN_VARIABLE, Reaper

LOG_TAIL_LINES = 25


class ChildFailed(Exception):
    """A process ended, or did not become ready in time; the message carries the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixUser:
    """The uid and gid under which a process runs."""

    uid: int
    gid: int


@dataclass(kw_only=True)
class Child:
    """A process that can be started, stopped, killed and started again.

    Attributes:
        name: For messages, and the log file's name.
        environment: The whole environment; nothing is inherited beside it.
        user: Only root may set this.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    reaper: Reaper
    directory: Path
    user: UnixUser | None = None
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """Id of the running process.

        Raises:
            ChildFailed: It does not run.
        """
        if self._process is None:
            raise ChildFailed(f"{self.name} is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def has_ended(self) -> bool:
        """Whether the process was started and ended without being stopped."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start the process; does nothing when it runs."""
        if self.is_running:
            return
        self.reaper.ensure_started()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**self.environment, TOKEN_VARIABLE: self.reaper.token},
                cwd=self.directory,
                start_new_session=True,
                user=self.user.uid if self.user else None,
                group=self.user.gid if self.user else None,
                extra_groups=[] if self.user else None,
            )

    def stop(self, *, grace_s: float = 10, signal_number: signal.Signals = signal.SIGTERM) -> None:
        """Ask the process to end, wait for it by its pid, then kill what is left of its group; repeatable."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal_number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the process and its whole group, without warning; returns when it is gone."""
        process = self._process
        if process is None:
            return
        self._signal_group(signal.SIGKILL)
        process.wait()
        self._process = None

    def pause(self) -> None:
        """SIGSTOP to the whole group: alive, holding its locks and connections, doing nothing."""
        self._signal_group(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self._signal_group(signal.SIGCONT)

    def restart(self) -> None:
        """Stop and start again."""
        self.stop()
        self.start()

    def wait_ready(self, *, is_ready: Callable[[], bool], timeout_s: float) -> float:
        """Poll `is_ready` until it is true; returns the seconds waited.

        Raises:
            ChildFailed: The process ended or the time is up.
        """
        begin = time.monotonic()
        while not is_ready():
            if self._process is None or self._process.poll() is not None:
                code = "" if self._process is None else f" with exit code {self._process.returncode}"
                raise ChildFailed(f"{self.name} ended{code}\n{self.log_tail()}")
            if time.monotonic() - begin > timeout_s:
                raise ChildFailed(f"{self.name} was not ready after {timeout_s:.0f} s\n{self.log_tail()}")
            time.sleep(0.02)
        return time.monotonic() - begin

    def log_tail(self, *, lines: int = LOG_TAIL_LINES) -> str:
        """The last lines of the log, with the file's path above them."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 64_000))
                text = file.read().decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            text = []
        return "\n".join([f"--- end of {self.log} ---", *text])

    def _signal_group(self, number: signal.Signals) -> None:
        if self._process is not None:
            # The group may be gone already, or consist of zombies of another uid.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

"""Ondol's own processes on this machine, each named, each stoppable by itself, each with its log in a file."""

import http.client
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from celery import Celery

from devstack import paths
from devstack.child import Child
from devstack.reaper import Reaper

READY_TIMEOUT_S: Final = 60
WORKER_CONCURRENCY: Final = 4
"""Provisioning waits for clusters most of the time, so more children than cores."""

PASSED_ON: Final = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "XDG_CACHE_HOME")
"""What Ondol's processes inherit; everything else they need is given to them, so a developer's shell cannot change a result."""


class ProcessName(StrEnum):
    """The processes of an Ondol."""

    WEB = "web"
    CONSOLE = "console"
    WORKER = "worker"
    BEAT = "beat"
    WATCHER = "watcher"
    ADMITTER = "admitter"


SERVERS: Final = frozenset({ProcessName.WEB, ProcessName.CONSOLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the two faces listen on 127.0.0.1."""

    web: int
    console: int

    @classmethod
    def free(cls) -> "Ports":
        """Any two free ports."""
        return cls(web=paths.find_free_port(), console=paths.find_free_port())

    @classmethod
    def wanted(cls, *, web: int, console: int) -> "Ports":
        """These two.

        Raises:
            PortInUse: One is taken; the message names it and the variable that chooses another.
        """
        return cls(
            web=paths.claim_port(port=web, variable="PORT"),
            console=paths.claim_port(port=console, variable="CONSOLE_PORT"),
        )


@dataclass(kw_only=True)
class Processes:
    """The processes of one Ondol, by name.

    Attributes:
        web_environment: Settings of the web process, whose login may only become `ondol_web`.
        staff_environment: Settings of all others, whose login may only become `ondol_staff`.
        directory: For the processes' own files, e.g. beat's schedule.
    """

    web_environment: Mapping[str, str]
    staff_environment: Mapping[str, str]
    ports: Ports
    logs: Path
    directory: Path
    reaper: Reaper
    label: str = "ondol"
    _children: dict[ProcessName, Child] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Describe the processes; nothing is started."""
        for name in ProcessName:
            environment = self.web_environment if name == ProcessName.WEB else self.staff_environment
            face = {"ONDOL_FACE": "console"} if name == ProcessName.CONSOLE else {}
            self._children[name] = Child(
                name=name,
                command=[sys.executable, *self._arguments(name)],
                environment={**inherited_environment(), **environment, **face},
                log=self.logs / f"{self.label}-{name}.log",
                reaper=self.reaper,
                directory=paths.REPOSITORY,
            )

    @property
    def url(self) -> str:
        """The portal's and API's address."""
        return f"http://127.0.0.1:{self.ports.web}"

    @property
    def console_url(self) -> str:
        """The operator's console's address."""
        return f"http://127.0.0.1:{self.ports.console}"

    def start(self, names: Iterable[ProcessName] = tuple(ProcessName), *, wait: bool = True) -> None:
        """Start processes at once; with `wait`, return when the web process says that database, broker and a worker work.

        Raises:
            ChildFailed: One ended or was not ready in time; carries the end of its log.
        """
        chosen = list(names)
        for name in chosen:
            self._children[name].start()
        if ProcessName.WORKER in chosen:
            self._send_canary()
        if wait:
            for name in chosen:
                self.wait_ready(name)

    def wait_ready(self, name: ProcessName) -> float:
        """Wait until a face answers `/healthz`, and `/readyz` where a worker and beat run too; others: until they run.

        Raises:
            ChildFailed: See `start`.
        """
        child = self._children[name]
        if name not in SERVERS:
            return child.wait_ready(is_ready=lambda: child.is_running, timeout_s=READY_TIMEOUT_S)
        port = self.ports.web if name == ProcessName.WEB else self.ports.console
        complete = all(self._children[part].is_running for part in (ProcessName.WORKER, ProcessName.BEAT))
        path = "/readyz" if complete else "/healthz"
        return child.wait_ready(is_ready=lambda: http_status(port=port, path=path) == 200, timeout_s=READY_TIMEOUT_S)

    def stop(self, names: Iterable[ProcessName] = tuple(ProcessName), *, grace_s: float = 15) -> None:
        """SIGTERM to processes at once, as a rolling restart does; repeatable."""
        threads = [threading.Thread(target=self._children[name].stop, kwargs={"grace_s": grace_s}) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def kill(self, name: ProcessName) -> None:
        """SIGKILL to a process and its children, as a crash or the kernel's memory killer would."""
        self._children[name].kill()

    def pause(self, name: ProcessName) -> None:
        """SIGSTOP: alive, holding claims and connections, doing nothing."""
        self._children[name].pause()

    def resume(self, name: ProcessName) -> None:
        """Undo `pause`."""
        self._children[name].resume()

    def restart(self, name: ProcessName) -> None:
        """Stop and start one process and wait until it is ready.

        Raises:
            ChildFailed: See `start`.
        """
        self._children[name].restart()
        self.wait_ready(name)

    def is_running(self, name: ProcessName) -> bool:
        """Whether a process was started and has not ended."""
        return self._children[name].is_running

    def pid(self, name: ProcessName) -> int:
        """A process's id.

        Raises:
            ChildFailed: It does not run.
        """
        return self._children[name].pid

    def log(self, name: ProcessName) -> Path:
        """A process's log file."""
        return self._children[name].log

    def log_tail(self, name: ProcessName, *, lines: int = 25) -> str:
        """The end of a process's log."""
        return self._children[name].log_tail(lines=lines)

    def find_ended(self) -> ProcessName | None:
        """A process that was started and ended by itself, or None."""
        return next((name for name, child in self._children.items() if child.has_ended), None)

    def _send_canary(self) -> None:
        """Ask for the task that readiness looks for now; beat would ask for it only after its first interval."""
        with Celery(broker=self.staff_environment["ONDOL_BROKER_URL"]).connection_for_write() as connection:
            Celery().send_task("config.finish_canary", queue="default", connection=connection)

    def _arguments(self, name: ProcessName) -> list[str]:
        celery = ["-m", "celery", "-A", "marketplace.config"]
        match name:
            case ProcessName.WEB:
                return _granian(self.ports.web)
            case ProcessName.CONSOLE:
                return _granian(self.ports.console)
            case ProcessName.WORKER:
                queues = ["-Q", "provision,billing,default"]
                quiet = ["--without-gossip", "--without-mingle", "--loglevel=INFO"]
                return [*celery, "worker", *queues, *quiet, f"--concurrency={WORKER_CONCURRENCY}"]
            case ProcessName.BEAT:
                return [*celery, "beat", f"--schedule={self.directory / (self.label + '-beat')}", "--pidfile="]
            case ProcessName.WATCHER:
                return ["manage.py", "run_watcher"]
            case ProcessName.ADMITTER:
                return ["manage.py", "run_admitter"]


def inherited_environment() -> dict[str, str]:
    """The few variables that pass from devstack to Ondol's processes."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


def http_status(*, port: int, path: str) -> int:
    """The status of a GET on 127.0.0.1, 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _granian(port: int) -> list[str]:
    return [
        "-m",
        "granian",
        "--interface=wsgi",
        "--host=127.0.0.1",
        f"--port={port}",
        "--workers=1",
        "--blocking-threads=8",
        "--no-ws",
        "marketplace.config.wsgi:application",
    ]

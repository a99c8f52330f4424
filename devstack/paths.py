"""Where devstack keeps things: a cache that outlives runs, keyed by version, and a state directory that does not."""

import contextlib
import os
import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent

PORT_RANGE: Final = range(20_000, 32_000)
"""Below Linux' ephemeral range (32768+), so that no outgoing connection takes a port while its server is being restarted."""


class PortInUse(Exception):
    """A wanted port is taken; the message names the port and the variable that chooses another."""


def cache_directory() -> Path:
    """`$XDG_CACHE_HOME/ondol` or `~/.cache/ondol`, created when missing."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    directory = Path(base) / "ondol"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


class StateDirectory:
    """The files of one devstack: data, keys, logs, sockets. Removed when the devstack ends.

    It lies in a short temporary directory (`ONDOL_STATE_DIR` chooses its parent), since a socket's path may have 108 bytes at
    most and repositories lie deep. As root the top may be traversed, not listed, by others, because PostgreSQL then runs
    under another uid; everything in it except PostgreSQL's own files stands in directories that only we can open.
    """

    @cached_property
    def path(self) -> Path:
        """The directory, created when first asked for."""
        parent = os.environ.get("ONDOL_STATE_DIR") or tempfile.gettempdir()
        path = Path(tempfile.mkdtemp(prefix="ondol-", dir=parent))
        if os.geteuid() == 0:
            path.chmod(0o711)
        return path

    def private(self, name: str) -> Path:
        """A subdirectory that only the current user may open; created when missing."""
        directory = self.path / name
        directory.mkdir(mode=0o700, exist_ok=True)
        return directory

    def remove(self) -> None:
        """Delete everything; repeatable, and creates nothing."""
        if "path" in self.__dict__:
            shutil.rmtree(self.path, ignore_errors=True)


def write_secret(path: Path, text: str) -> Path:
    """Write a file that only its owner may read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def is_port_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def find_free_port() -> int:
    """A free port of `PORT_RANGE`, never the same one twice in this process.

    Raises:
        PortInUse: A thousand random ports were all taken.
    """
    for port in _random_ports():
        if port not in _handed_out and is_port_free(port):
            _handed_out.add(port)
            return port
    message = f"no free port between {PORT_RANGE.start} and {PORT_RANGE.stop} on 127.0.0.1"
    raise PortInUse(message)


def claim_port(*, port: int, variable: str) -> int:
    """Check that a wanted port is free and return it.

    Raises:
        PortInUse: Taken; the message says how to choose another one.
    """
    if not is_port_free(port):
        example = f"make demo {variable}={port + 100}"
        message = f"port {port} on 127.0.0.1 is in use; choose another one with {variable}=<port>, e.g. {example}"
        raise PortInUse(message)
    return port


_handed_out: set[int] = set()


def _random_ports() -> Iterator[int]:
    choose = random.SystemRandom()
    return (choose.choice(PORT_RANGE) for _ in range(1000))

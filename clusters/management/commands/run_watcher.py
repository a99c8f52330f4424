"""`manage.py run_watcher`: the one active watcher of all clusters; others wait for its lease to lapse."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Final
from uuid import UUID

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from clusters.evidence import ACTOR
from clusters.watch import ClusterWatcher, list_watched_clusters
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor
from marketplace.kernel.leases import holds_lease, release_lease, take_lease

log = structlog.get_logger(__name__)

LEASE: Final = "watcher"
LEASE_DURATION: Final = timedelta(seconds=15)
RENEW_S: Final = 2.0


class Command(BaseCommand):
    """Watches until it is told to stop."""

    help = "Watch every registered cluster; only one watcher is active at a time."

    def handle(self, *_args: object, **_options: object) -> None:
        """Loop: renew the lease, start watchers of new clusters, stop those of removed ones."""
        stopping = threading.Event()

        def stop(_signal: int, _frame: FrameType | None) -> None:
            stopping.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        holder = f"{socket.gethostname()}:{os.getpid()}"
        watchers: dict[UUID, ClusterWatcher] = {}
        while not stopping.is_set():
            token = _renew(holder)
            wanted = set(list_watched_clusters()) if token is not None else set()
            for cluster_id in wanted - set(watchers):
                watchers[cluster_id] = ClusterWatcher(cluster_id=cluster_id, may_write=_fence(token))
                watchers[cluster_id].start()
            for cluster_id in set(watchers) - wanted:
                watchers.pop(cluster_id).stop()
            stopping.wait(RENEW_S)
        for watcher in watchers.values():
            watcher.stop()
        with as_actor(ACTOR):
            release_lease(name=LEASE, holder=holder, now=clock.now())


def _renew(holder: str) -> int | None:
    try:
        with as_actor(ACTOR):
            return take_lease(name=LEASE, holder=holder, now=clock.now(), duration=LEASE_DURATION)
    except DatabaseError as error:
        log.warning("lease_failed", error=type(error).__name__)
        connection.close()
        return None


def _fence(token: int | None) -> Callable[[], bool]:
    """A check, within the caller's transaction, that this process is still the active watcher."""

    def may_write() -> bool:
        return token is not None and holds_lease(name=LEASE, fencing_token=token)

    return may_write

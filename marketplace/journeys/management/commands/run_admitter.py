"""`manage.py run_admitter`: the one active admitter; others wait for its lease to lapse."""

import os
import signal
import socket
import threading
from types import FrameType
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from marketplace.journeys.admit import LEASE, admit_pass
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.kernel.garbage import settle_memory
from marketplace.kernel.leases import release_lease
from marketplace.kernel.wakeups import WakeupListener, channel

log = structlog.get_logger(__name__)

SWEEP_S = 1.0
"""Without any wake-up the queue is looked at this often; losing the broker costs at most this."""


class Command(BaseCommand):
    """Admits until it is told to stop."""

    help = "Place queued instances; only one admitter is active at a time."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Loop: pass, then wait for a wake-up or the sweep interval."""
        stopping = threading.Event()

        def stop(_signal: int, _frame: FrameType | None) -> None:
            stopping.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        settle_memory()
        holder = f"{socket.gethostname()}:{os.getpid()}"
        wake = channel(installation_id=settings.INSTALLATION_ID, name="admitter")
        with WakeupListener(broker_url=settings.BROKER_URL, channel_name=wake) as listener:
            while not stopping.is_set():
                _pass_once(holder)
                listener.wait(interval_s=SWEEP_S)
        with as_actor(system_actor("admitter")):
            release_lease(name=LEASE, holder=holder, now=clock.now())


def _pass_once(holder: str) -> None:
    try:
        result = admit_pass(holder=holder, now=clock.now())
        if result.placed or result.given_up:
            log.info("admitted", placed=result.placed, waiting=result.waiting, given_up=result.given_up)
    except DatabaseError as error:
        log.warning("admit_failed", error=type(error).__name__)
        connection.close()

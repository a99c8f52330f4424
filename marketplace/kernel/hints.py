"""Hints: "look at this row soon", sent after commit, dropped rather than raised.

PostgreSQL is the truth and a sweep finds every row without them, so a hint may be lost. A named hint is bound to what it
wakes in `config/wiring.py`. Hints wait in a bounded queue for one sender thread per process: with the broker down a bare
`.delay()` would block the request for seconds.
"""

import os
import queue
import threading
from collections.abc import Callable
from typing import Final

import structlog
from django.db import transaction

log = structlog.get_logger(__name__)

HINTS_WAITING_MAX: Final = 1_000
"""At ~0.5 s per failed send a full queue is minutes old news; the sweeps have found those rows by then."""

_senders: dict[str, list[Callable[[str], None]]] = {}
_waiting: "queue.Queue[tuple[str, str]]" = queue.Queue(maxsize=HINTS_WAITING_MAX)
_thread_owner: int | None = None
_lock = threading.Lock()


def bind(name: str, send: Callable[[str], None]) -> None:
    """Have `send(row_id)` called, on the sender thread, for each hint of this name. Called by the wiring at start-up."""
    _senders.setdefault(name, []).append(send)


def hint(name: str, row_id: object) -> None:
    """Send the hint once the open transaction has committed; never raises, never blocks.

    May be called any number of times; receivers must be repeatable.
    """
    transaction.on_commit(lambda: _enqueue(name, str(row_id)), robust=True)


def _enqueue(name: str, row_id: str) -> None:
    if not _senders.get(name):
        return
    _ensure_thread()
    try:
        _waiting.put_nowait((name, row_id))
    except queue.Full:
        log.warning("hint_dropped", hint=name, row_id=row_id, waiting=HINTS_WAITING_MAX)


def _ensure_thread() -> None:
    global _thread_owner  # noqa: PLW0603 - one sender thread per process, also after a fork
    if _thread_owner == os.getpid():
        return
    with _lock:
        if _thread_owner != os.getpid():
            threading.Thread(target=_send_forever, name="hint-sender", daemon=True).start()
            _thread_owner = os.getpid()


def _send_forever() -> None:
    while True:
        name, row_id = _waiting.get()
        for send in _senders.get(name, []):
            try:
                send(row_id)
            except Exception as error:  # noqa: BLE001 - a hint must never end its sender; the sweep finds the row
                log.warning("hint_failed", hint=name, row_id=row_id, error=type(error).__name__)

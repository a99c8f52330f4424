"""Hints: "look at this row soon", sent after commit, dropped rather than raised.

PostgreSQL is the truth and a sweep finds every row without them, so a hint may be lost. A named hint is bound to what it
wakes in `config/wiring.py`. Hints wait in a bounded queue for one sender thread per process: with the broker down a bare
`.delay()` would block the request for seconds.
"""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from django.db import transaction

log = structlog.get_logger(__name__)

HINTS_WAITING_MAX: Final = 1_000
"""At ~0.5 s per failed send a full queue is minutes old news; the sweeps have found those rows by then."""

HINTS_PER_SEND_MAX: Final = 200
"""What waits is sent together, by name; this many of them at most, so that the first is not held up by the last."""
Send = Callable[[Sequence[str]], None]

_senders: dict[str, list[Send]] = {}
_waiting: "queue.Queue[tuple[str, str]]" = queue.Queue(maxsize=HINTS_WAITING_MAX)
_thread_owner: int | None = None
_lock = threading.Lock()


def bind(name: str, send: Send) -> None:
    """Have `send(row_ids)` called, on the sender thread, for the hints of this name. Called by the wiring at start-up."""
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
        for name, row_ids in _take_waiting().items():
            for send in _senders.get(name, []):
                try:
                    send(row_ids)
                except Exception as error:  # noqa: BLE001 - a hint must never end its sender; the sweep finds the row
                    log.warning("hint_failed", hint=name, rows=row_ids, error=type(error).__name__)


def _take_waiting() -> dict[str, list[str]]:
    """Wait for a hint, then take everything that waits; row ids by name, each once, in the order in which they came."""
    name, row_id = _waiting.get()
    taken = {name: [row_id]}
    for _ in range(HINTS_PER_SEND_MAX - 1):
        try:
            name, row_id = _waiting.get_nowait()
        except queue.Empty:
            break
        rows = taken.setdefault(name, [])
        if row_id not in rows:
            rows.append(row_id)
    return taken

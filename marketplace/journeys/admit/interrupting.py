"""Interruptible instances give way, with notice, to a request that may not be interrupted. Opens its own transaction."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from marketplace.instances.operations import announce_interruptions
from marketplace.journeys.admit.deciding import Decided
from marketplace.journeys.admit.reading import ADMITTER, LiveRun, Queue
from marketplace.kernel.actors import as_actor
from marketplace.scheduling.interruption import InterruptibleRun, choose_interrupted
from marketplace.scheduling.stock import Remainder
from marketplace.scheduling.waiting import COULD_START

NOTICE: Final = timedelta(minutes=2)
"""Time to save one's work; what the large clouds give for spot capacity."""
LOOKED_MAX: Final = 8
"""So many waiting requests are looked at per pass; one of them gets its devices, the others have their turn when those came."""


def interrupt_for_waiting(queue: Queue, decided: Sequence[Decided], *, now: datetime) -> int:
    """Announce interruptions for the first waiting request that needs them; how many.

    Nothing more is interrupted while an earlier notice runs, since what it frees may be all that is needed.
    """
    runs = _group(queue.runs, now_s=queue.now_s)
    if not runs or any(run.is_announced for run in queue.runs):
        return 0
    for item in _unplaced(decided, until_s=queue.now_s + NOTICE.total_seconds()):
        victims = choose_interrupted(request=item.looked.waiting.request, view=queue.view, runs=runs)
        if victims:
            with as_actor(ADMITTER):
                return announce_interruptions(instance_ids=victims, interrupt_at=now + NOTICE, now=now)
    return 0


def _unplaced(decided: Sequence[Decided], *, until_s: float) -> Iterator[Decided]:
    """Those that wait for devices, may not be interrupted themselves, and have no reservation that begins as soon."""
    looked = 0
    for item in decided:
        reservation = item.looked.reservation
        if (
            item.looked.placements
            or item.considered.instance.is_interruptible
            or item.looked.choice.wait_reason not in COULD_START
            or (reservation is not None and reservation.starts_at_s <= until_s)
        ):
            continue
        looked += 1
        if looked > LOOKED_MAX:
            return
        yield item


def _group(runs: Sequence[LiveRun], *, now_s: float) -> list[InterruptibleRun]:
    """Allocations of one instance are one run."""
    places: defaultdict[UUID, list[tuple[UUID, Remainder]]] = defaultdict(list)
    ages: dict[UUID, float] = {}
    for run in runs:
        if run.may_interrupt:
            places[run.instance_id].append((run.stock_id, run.need))
            ages[run.instance_id] = run.age_s
    return [
        InterruptibleRun(instance_id=key, started_at_s=now_s - ages[key], places=tuple(held))
        for key, held in places.items()
    ]

"""Position and start estimate of everything that waits: the same look at the queue, run ahead. Written only where it changed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from marketplace.instances.operations import Forecast, record_forecasts
from marketplace.journeys.admit.deciding import Decided
from marketplace.journeys.admit.reading import ADMITTER, Queue
from marketplace.kernel.actors import as_actor
from marketplace.scheduling.estimates import estimate_starts
from marketplace.scheduling.fair_share import Waiting
from marketplace.scheduling.queue import Running
from marketplace.scheduling.waiting import COULD_START

FORECAST_QUEUE_MAX: Final = 100
"""So many from the head get an estimate; the others a position."""
EVENTS_MAX: Final = 300
CHANGE_S: Final = 30.0
"""An estimate that moved by less is not written again."""
PROBABLE: Final = 0.5
CAUTIOUS: Final = 0.9


def forecast(queue: Queue, decided: Sequence[Decided], *, now: datetime) -> None:
    """Tell each waiting instance its position and when it will start, as far as that can be known. Opens its own transaction."""
    waiting = [item for item in decided if not item.looked.placements]
    if not waiting:
        return
    head = [item.looked.waiting for item in waiting[:FORECAST_QUEUE_MAX] if could_start(item)]
    placed = just_placed(queue, decided)
    probable = _estimate(queue, head, placed, quantile=PROBABLE)
    cautious = _estimate(queue, head, placed, quantile=CAUTIOUS)
    position = 0
    changed = []
    for item in waiting:
        instance = item.considered.instance
        place = None
        if could_start(item):
            position += 1
            place = position
        told = Forecast(
            instance_id=instance.id,
            tenant_id=instance.tenant_id,
            attempt=instance.attempt + 1,
            position=place,
            p50_at=_instant(probable.get(instance.id)),
            p90_at=_instant(cautious.get(instance.id)),
        )
        known = (instance.queue_position, instance.start_p50_at, instance.start_p90_at)
        if place != known[0] or _moved(told.p50_at, known[1]) or _moved(told.p90_at, known[2]):
            changed.append(told)
    if changed:
        with as_actor(ADMITTER):
            record_forecasts(forecasts=changed, now=now)


def could_start(item: Decided) -> bool:
    """Whether time alone can make room."""
    return item.looked.choice.wait_reason in COULD_START


def _estimate(
    queue: Queue, head: Sequence[Waiting], placed: Sequence[Running], *, quantile: float
) -> Mapping[UUID, float]:
    return estimate_starts(
        queue=head,
        view=queue.view,
        running=[*queue.running(quantile=quantile), *placed],
        packing=queue.packing,
        now_s=queue.now_s,
        events_max=EVENTS_MAX,
    )


def just_placed(queue: Queue, decided: Sequence[Decided]) -> list[Running]:
    """What this pass itself placed; only those with a maximum duration have an end in sight."""
    return [
        Running(
            stock_id=place.stock_id,
            need=place.need,
            ends_at_s=None
            if item.looked.waiting.max_duration_s is None
            else queue.now_s + item.looked.waiting.max_duration_s,
        )
        for item in decided
        for place in item.looked.placements
    ]


def _instant(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)


def _moved(new: datetime | None, known: datetime | None) -> bool:
    if new is None or known is None:
        return new is not known
    return abs((new - known).total_seconds()) > CHANGE_S

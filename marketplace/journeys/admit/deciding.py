"""One look at the queue in fair order; reads nothing and writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from marketplace.journeys.admit.reading import Considered, Queue
from marketplace.journeys.admit.shares import count, restrict
from marketplace.scheduling.fair_share import fair_order
from marketplace.scheduling.queue import Looked, ends_by_stock, look

EXPECTED = 0.5
"""Reservations begin when half of such runs would have ended."""

__all__ = ["Considered", "Decided", "decide"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the look found for one queued instance."""

    considered: Considered
    looked: Looked


def decide(queue: Queue, *, now: datetime) -> Sequence[Decided]:
    """In the order in which they were looked at; the queue's view then shows what is left."""
    ordered = fair_order(waiting=[item.waiting for item in queue.considered], used=queue.used)
    looked = look(
        queue=restrict(queue, ordered),
        view=queue.view,
        packing=queue.packing,
        read_ends=lambda: ends_by_stock(queue.running(quantile=EXPECTED)),
        now_s=now.timestamp(),
        is_explained=True,
    )
    decided = []
    for item in looked:
        considered = queue.by_id[item.waiting.request.instance_id]
        # Before the next one is looked at.
        count(queue.shares, considered, item.placements)
        decided.append(Decided(considered=considered, looked=item))
    return decided

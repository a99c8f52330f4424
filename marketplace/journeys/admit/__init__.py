"""Admission: one admitter takes queued instances in fair order and promises devices, a batch per commit.

Everything that may have changed since the rent is judged again here: certificates, stock, health. A pass reads once, decides with
no transaction open, and writes in batches under locks that check the counters once more, so a stale view costs another pass
and never a device promised twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from marketplace.instances.models import Instance
from marketplace.instances.operations import give_up_waiting
from marketplace.instances.states import Reason
from marketplace.journeys.admit.deciding import Considered, Decided, decide
from marketplace.journeys.admit.forecasting import forecast
from marketplace.journeys.admit.interrupting import interrupt_for_waiting
from marketplace.journeys.admit.reading import ADMITTER, read_queue
from marketplace.journeys.admit.writing import place, record_waits
from marketplace.kernel.actors import as_actor
from marketplace.kernel.leases import holds_lease, take_lease

LEASE: Final = "admitter"
LEASE_DURATION: Final = timedelta(seconds=15)
INSTANCES_PER_COMMIT: Final = 50
"""A commit of 50 placements takes less than 0.1 s; nodes stay locked no longer."""
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class PassResult:
    """What one pass did; `is_active` is False when another admitter holds the lease."""

    is_active: bool
    placed: int = 0
    waiting: int = 0
    given_up: int = 0


def admit_pass(*, holder: str, now: datetime) -> PassResult:
    """Look at the queue once, in fair order, and place what fits. Opens its own transactions; safe to repeat and to kill anywhere.

    Args:
        holder: This process's name; only the lease's holder admits.
    """
    with as_actor(ADMITTER):
        token = take_lease(name=LEASE, holder=holder, now=now, duration=LEASE_DURATION)
        queue = read_queue(now=now) if token is not None else None
    if token is None or queue is None:
        return PassResult(is_active=token is not None)
    decided = decide(queue, now=now)
    placed = 0
    for batch in _batches([item for item in decided if item.looked.placements]):
        with as_actor(ADMITTER):
            if not holds_lease(name=LEASE, fencing_token=token):
                return PassResult(is_active=False, placed=placed)
            placed += place(batch, facts=queue.facts, now=now)
    waiting = [item for item in decided if not item.looked.placements]
    for wait_batch in _batches(waiting):
        with as_actor(ADMITTER):
            record_waits(wait_batch, facts=queue.facts, now=now)
    given_up = sum(
        _give_up(item.considered, now=now) for item in waiting if is_overdue(item.considered.instance, now=now)
    )
    forecast(queue, decided, now=now)
    interrupt_for_waiting(queue, decided, now=now)
    return PassResult(is_active=True, placed=placed, waiting=len(waiting) - given_up, given_up=given_up)


def is_overdue(instance: Instance, *, now: datetime) -> bool:
    """Whether it has waited as long as it wanted to; `max_wait_s` of 0 is over at the first look."""
    return instance.max_wait_s is not None and (now - instance.queued_at).total_seconds() >= instance.max_wait_s


def _give_up(considered: Considered, *, now: datetime) -> bool:
    """In a transaction of its own: quota is locked before instances."""
    instance = considered.instance
    reason = Reason.MAX_WAIT_REACHED if instance.max_wait_s else Reason.INSUFFICIENT_CAPACITY
    with as_actor(ADMITTER):
        return give_up_waiting(instance_id=instance.id, reason=reason, now=now)


def _batches(items: Sequence[Decided]) -> list[Sequence[Decided]]:
    return [items[start : start + INSTANCES_PER_COMMIT] for start in range(0, len(items), INSTANCES_PER_COMMIT)]

"""Housekeeping of the kernel's tables."""

from celery import shared_task

from marketplace.kernel import clock, idempotency
from marketplace.kernel.actors import as_actor, system_actor


@shared_task(name="kernel.forget_expired")
def forget_expired() -> int:
    """Delete answers that need not be replayed any more; how many."""
    with as_actor(system_actor("housekeeping")):
        return idempotency.forget_expired(now=clock.now())

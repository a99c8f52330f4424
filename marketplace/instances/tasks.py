"""Sweeps over instances."""

from celery import shared_task

from marketplace.instances import operations
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor


@shared_task(name="instances.expire_due")
def expire_due() -> int:
    """Begin to stop running instances whose maximum duration, or notice of interruption, has passed. May run twice at once."""
    now = clock.now()
    with as_actor(system_actor("expiry")):
        return operations.stop_overdue(now=now) + operations.interrupt_due(now=now)

"""Sweeps over quotas."""

from celery import shared_task

from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.quotas import operations

PERIODS = system_actor("quota-periods")


@shared_task(name="quotas.apply_due_periods")
def apply_due_periods() -> int:
    """Bring limits to the periods that began or ended; how many changed. May run twice at once."""
    with as_actor(PERIODS):
        return operations.apply_due_periods(now=clock.now())

"""Sweeps that need several apps."""

from celery import shared_task

from marketplace.journeys.schedule import run_due_schedules
from marketplace.kernel import clock


@shared_task(name="journeys.run_schedules")
def run_schedules() -> int:
    """Start and stop what is due by its schedule; how many turns were taken. May run twice at once."""
    return run_due_schedules(now=clock.now())

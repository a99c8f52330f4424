"""Sweeps that need several apps."""

from typing import Final

from celery import shared_task

from marketplace.journeys.maintain import maintain
from marketplace.journeys.outlook import look_ahead
from marketplace.journeys.schedule import run_due_schedules
from marketplace.journeys.watch_assurance import watch_assurance as watch_assurance_now
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.kernel.signing import ensure_signing_key

ASSURANCE: Final = system_actor("assurance-watch")


@shared_task(name="journeys.maintain")
def maintain_due() -> int:
    """Tell customers of maintenance and clear nodes whose time has come; how many instances. May run twice at once."""
    return maintain(now=clock.now())


@shared_task(name="journeys.run_schedules")
def run_schedules() -> int:
    """Start and stop what is due by its schedule; how many turns were taken. May run twice at once."""
    return run_due_schedules(now=clock.now())


@shared_task(name="journeys.watch_assurance")
def watch_assurance() -> int:
    """Alarm before certificates and assessments end, and tell who is affected by those that did; how many are open."""
    now = clock.now()
    with as_actor(ASSURANCE):
        ensure_signing_key(actor=ASSURANCE, now=now)
        return watch_assurance_now(now=now)


@shared_task(name="journeys.look_ahead")
def look_ahead_now() -> int:
    """Say when a request of each size would start, for the catalogue; how many spans. May run twice at once."""
    return look_ahead(now=clock.now())

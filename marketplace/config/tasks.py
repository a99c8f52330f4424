"""The canary: proof that a worker finishes tasks, which readiness asks for."""

from celery import shared_task

from marketplace.config import canary


@shared_task(name="config.finish_canary")
def finish_canary() -> None:
    """Write down that a worker finished a task just now. May be repeated."""
    canary.mark_finished()

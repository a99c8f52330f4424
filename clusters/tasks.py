"""Tasks of the provision queue: ids in, one call."""

from uuid import UUID

from celery import current_app, shared_task

from clusters.reconcile import ACTOR, list_due, reconcile_instance
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor


@shared_task(name="clusters.reconcile_instance")
def reconcile(instance_id: str) -> None:
    """Compare and act for one instance. May be delivered any number of times."""
    reconcile_instance(instance_id=UUID(instance_id))


@shared_task(name="clusters.reconcile_due")
def reconcile_due() -> int:
    """Send one task per due workload; how many. The sweep finds everything that a lost hint would have."""
    with as_actor(ACTOR):
        due = list_due(now=clock.now())
    for instance_id in due:
        current_app.send_task("clusters.reconcile_instance", args=[str(instance_id)], queue="provision", expires=30)
    return len(due)

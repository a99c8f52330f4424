"""Tasks of the provision queue: ids in, one call."""

from uuid import UUID

from celery import current_app, shared_task

from clusters.reconcile import ACTOR, WORKLOADS_PER_CLAIM_MAX, list_due, reconcile_instances
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor


@shared_task(name="clusters.reconcile_instances")
def reconcile(instance_ids: list[str]) -> None:
    """Compare and act for some instances. May be delivered any number of times."""
    reconcile_instances(instance_ids=[UUID(instance_id) for instance_id in instance_ids])


@shared_task(name="clusters.reconcile_due")
def reconcile_due() -> int:
    """Send tasks for the due workloads; how many instances. The sweep finds everything that a lost hint would have."""
    with as_actor(ACTOR):
        due = [str(instance_id) for instance_id in list_due(now=clock.now())]
    for start in range(0, len(due), WORKLOADS_PER_CLAIM_MAX):
        batch = due[start : start + WORKLOADS_PER_CLAIM_MAX]
        current_app.send_task("clusters.reconcile_instances", args=[batch], queue="provision", expires=30)
    return len(due)

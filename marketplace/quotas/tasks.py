"""Sweeps over quotas."""

import structlog
from celery import shared_task

from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.quotas import operations

log = structlog.get_logger(__name__)

PERIODS = system_actor("quota-periods")
CHECKER = system_actor("quota-check")


@shared_task(name="quotas.apply_due_periods")
def apply_due_periods() -> int:
    """Bring limits to the periods that began or ended; how many changed. May run twice at once."""
    with as_actor(PERIODS):
        return operations.apply_due_periods(now=clock.now())


@shared_task(name="quotas.remind_of_ends")
def remind_of_ends() -> int:
    """Tell tenants of periods that end soon; how many. May run twice at once."""
    with as_actor(PERIODS):
        return operations.remind_of_ends(now=clock.now())


@shared_task(name="quotas.check")
def check() -> int:
    """Recompute every tenant's use, a transaction each; how many quotas do not add up. They alarm."""
    with as_actor(CHECKER):
        tenants = operations.list_tenants_with_quotas()
    drifts: list[operations.Drift] = []
    for tenant_id in tenants:
        with as_actor(CHECKER):
            drifts.extend(operations.find_drift(tenant_id=tenant_id))
    with as_actor(CHECKER):
        operations.tell_drift(drifts=drifts, now=clock.now())
    for drift in drifts:
        log.error(
            "quota_drift", quota_id=str(drift.quota_id), used=drift.used, held=drift.held, expected=drift.expected
        )
    return len(drifts)

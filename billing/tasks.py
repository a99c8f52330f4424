"""Tasks of the billing queue: ids in, one call."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from celery import shared_task
from django.conf import settings

from billing import agreements, credit, ledger, metering, watch
from billing.metering.outages import apply_outage as apply_outage_to_usage
from billing.metering.outages import list_unapplied
from billing.minimums import list_ended_with_minimum
from marketplace.inventory.outages import record_silences
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice, resolve_notice

log = structlog.get_logger(__name__)

METER = system_actor("meter")
CHECKER = system_actor("ledger-check")
WATCH = system_actor("spend-watch")


@shared_task(name="billing.meter_instances")
def meter_instances(instance_ids: list[str]) -> None:
    """Bring some instances' usage up to their transitions. May be delivered any number of times."""
    _meter_each([UUID(instance_id) for instance_id in instance_ids])


@shared_task(name="billing.apply_outage")
def apply_outage(outage_id: str) -> None:
    """Meter every instance that an outage concerns. May be delivered any number of times."""
    apply_outage_to_usage(actor=METER, outage_id=UUID(outage_id), now=clock.now())


@shared_task(name="billing.apply_usage_events")
def apply_usage_events(provider_id: str) -> int:
    """Meter every instance of which a provider has told usage that is not taken into account; how many."""
    with as_actor(METER):
        due = metering.list_told_of(provider_id=UUID(provider_id))
    _meter_each(due)
    return len(due)


@shared_task(name="billing.meter_due")
def meter_due() -> int:
    """Meter every instance whose usage lags behind what is known; how many. Finds what a lost hint would have.

    Also notices clusters that have become silent.
    """
    now = clock.now()
    with as_actor(METER):
        record_silences(now=now, silence=settings.CLUSTER_SILENCE)
        outages = list_unapplied()
    for outage_id in outages:
        apply_outage_to_usage(actor=METER, outage_id=outage_id, now=now)
    with as_actor(METER):
        due = [*metering.list_unmetered(), *metering.list_expired_unknown(now=now)]
    _meter_each(due)
    return len(due)


def _meter_each(instance_ids: Sequence[UUID]) -> None:
    """Meter each in a transaction of its own, then look at credit and budgets; what one raises is raised after the others' turn."""
    poison: Exception | None = None
    for instance_id in instance_ids:
        try:
            with as_actor(METER):
                metering.meter_instance(instance_id=instance_id, now=clock.now())
        except Exception as error:  # noqa: BLE001 - raised below: one poisoned instance must not keep the others unmetered
            log.error("metering_failed", instance_id=str(instance_id), error=type(error).__name__)
            poison = error
    watch.watch_instances(actor=WATCH, instance_ids=instance_ids, now=clock.now())
    if poison is not None:
        raise poison


@shared_task(name="billing.watch_tenant")
def watch_tenant(tenant_id: str) -> None:
    """Look at a tenant's credit and budgets now. May be delivered any number of times."""
    watch.watch_tenant(actor=WATCH, tenant_id=UUID(tenant_id), now=clock.now())


@shared_task(name="billing.watch_due")
def watch_due() -> int:
    """Act on credit and budgets whose instant has come; how many tenants were looked at."""
    with as_actor(WATCH):
        due = watch.list_due_tenants(now=clock.now())
    for tenant_id in due:
        watch.watch_tenant(actor=WATCH, tenant_id=tenant_id, now=clock.now())
    return len(due)


@shared_task(name="billing.account_agreements")
def account_agreements() -> int:
    """Charge what commitments, discounts and minimums come to; charges written. Finds what a lost hint would have."""
    now = clock.now()
    with as_actor(METER):
        ended = list_ended_with_minimum(since=now - timedelta(days=2))
    for instance_id in ended:
        with as_actor(METER):
            metering.meter_instance(instance_id=instance_id, now=now)
    return agreements.account_due(actor=METER, now=now)


@shared_task(name="billing.settle_credit")
def settle_credit() -> int:
    """Post the use of credit that has not been settled today in Seoul; how many accounts had any."""
    return credit.settle_due(actor=WATCH, now=clock.now())


CHECK_TIME_S_MAX = 1_800
"""At about a second per million rows of each of six checks, room for hundreds of millions; other tasks have two minutes."""


# Acknowledged before it runs: the broker would hand a longer task than its visibility timeout to the next worker as well.
@shared_task(
    name="billing.check_ledger", acks_late=False, soft_time_limit=CHECK_TIME_S_MAX, time_limit=CHECK_TIME_S_MAX + 60
)
def check_ledger() -> bool:
    """Re-add everything; whether it adds up. A difference is logged as an error, which alarms."""
    with as_actor(CHECKER):
        difference = ledger.find_difference()
        if difference is None:
            resolve_notice(key="ledger", now=clock.now())
        else:
            raise_notice(
                key="ledger", code="ledger.difference", severity=Severity.CRITICAL, now=clock.now(),
                facts={
                    "what": f"{difference.check} {difference.name}", "expected": difference.expected_won,
                    "actual": difference.actual_won,
                },
            )  # fmt: skip
    if difference is not None:
        log.error(
            "ledger_difference",
            check=difference.check,
            name=difference.name,
            expected=difference.expected_won,
            actual=difference.actual_won,
        )
    return difference is None


@shared_task(name="billing.fold_balances")
def fold_balances() -> int:
    """Fold what was posted since the last time into the stored balances; how many changed."""
    with as_actor(CHECKER):
        return ledger.fold_balances()

"""Finds what a lost hint would have metered."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from billing.metering.rules import resolution_deadline
from billing.models import UsageEvent, UsageInterval
from billing.rating import month_bounds, month_of
from marketplace.instances.states import FAULTS, Fault

INSTANCES_PER_SWEEP_MAX = 5_000
"""At one row per run and ten seconds per sweep, far above what clusters can start."""

_UNMETERED = """
SELECT t.instance_id FROM instances_transition t
LEFT JOIN billing_usageinterval u ON u.opened_by = t.id
WHERE t.to_state = 'running' AND NOT EXISTS (
    SELECT 1 FROM instances_transition e
    WHERE u.id IS NULL AND e.instance_id = t.instance_id AND e.attempt = t.attempt AND e.from_state = 'running'
        AND e.occurred_at <= t.occurred_at
) AND (
    (u.id IS NULL AND NOT EXISTS (
        SELECT 1 FROM instances_allocation a
        JOIN billing_usageinterval told ON told.instance_id = a.instance_id AND told.rank = a.rank AND told.meter = 'device'
        WHERE a.instance_id = t.instance_id AND a.attempt = t.attempt AND a.metered_by = 'site'
            AND told.superseded_by_id IS NULL
            AND tstzrange(told.started_at, told.ended_at) @> date_trunc('second', t.occurred_at)
    ))
    OR (u.ended_at IS NULL AND u.superseded_by_id IS NULL AND EXISTS (
        SELECT 1 FROM instances_transition c
        WHERE c.instance_id = t.instance_id AND c.attempt = t.attempt AND c.from_state = 'running'
    ))
)
UNION
SELECT placed.instance_id FROM instances_transition placed
JOIN instances_transition failed ON failed.instance_id = placed.instance_id AND failed.attempt = placed.attempt
WHERE placed.to_state = 'provisioning' AND failed.from_state = 'provisioning' AND failed.reason = ANY(%(faults)s)
    AND date_trunc('second', failed.occurred_at) > date_trunc('second', placed.occurred_at)
    AND NOT EXISTS (SELECT 1 FROM billing_usageinterval u WHERE u.opened_by = placed.id)
    AND NOT EXISTS (
        SELECT 1 FROM instances_allocation a
        WHERE a.instance_id = placed.instance_id AND a.attempt = placed.attempt AND a.metered_by = 'site'
    )
UNION
SELECT e.instance_id FROM billing_usageevent e WHERE e.applied_at IS NULL
LIMIT %(limit)s
"""


def list_unmetered() -> list[UUID]:
    """Instances whose usage lags behind what is known; at most 5,000.

    Those with a run that no usage interval stands for yet, or whose ended run's interval is still open, and those of which a site
    has told usage that is not taken into account. A run that ended within its first second is no usage and is not found, nor is
    one that its site has told.
    """
    faults = [reason.value for reason, fault in FAULTS.items() if fault is Fault.PROVIDER]
    with connection.cursor() as cursor:
        cursor.execute(_UNMETERED, {"faults": faults, "limit": INSTANCES_PER_SWEEP_MAX})
        return [row[0] for row in cursor.fetchall()]


def list_told_of(*, provider_id: UUID) -> list[UUID]:
    """Instances of which a provider has told usage that is not taken into account."""
    rows = UsageEvent.objects.filter(provider_id=provider_id, applied_at__isnull=True)
    return list(rows.values_list("instance_id", flat=True).distinct()[:INSTANCES_PER_SWEEP_MAX])


def list_expired_unknown(*, now: datetime) -> list[UUID]:
    """Instances with time that is still unknown though its day of decision has passed."""
    rows = UsageInterval.objects.filter(
        kind="unknown", superseded_by__isnull=True, instance__isnull=False, started_at__lt=_decided_before(now)
    )
    return list(rows.values_list("instance_id", flat=True).distinct()[:INSTANCES_PER_SWEEP_MAX])


def _decided_before(now: datetime) -> datetime:
    """Unknown time that began before this instant is decided by now."""
    this_month, _following = month_bounds(month_of(now))
    before = month_of(this_month - timedelta(days=1))
    return this_month if now >= resolution_deadline(before) else month_bounds(before)[0]

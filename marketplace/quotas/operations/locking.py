"""Taking keeps a tenant's set of limits as it is; setting a limit waits for it. And limits that follow their periods.

A rent locks the rows that exist; it cannot lock one that is about to be written. So taking holds the tenant's lock shared, and
setting a limit holds it alone: what runs is then counted into a new limit completely, once.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from marketplace.quotas.models import Quota, QuotaPeriod
from marketplace.quotas.tree import Period, limit_at

LOCK_CLASS: Final = 0x51554F54
"""First half of the advisory locks' key; the kernel's idempotency keys use the one-number form, which never meets it."""
LOCKS_MAX: Final = 1024
"""Tenants share so many locks, so that an edit of ten thousand tenants fits in PostgreSQL's lock table. Sharing costs a wait."""
SHARES_SLOT: Final = LOCKS_MAX
"""One more lock: edits of tenants hold it shared, edits of the shares above them alone."""
DUE_PER_PASS_MAX: Final = 500


def share_tenant(*, tenant_id: UUID) -> None:
    """Keep the tenant's set of limits as it is until the open transaction ends; any number may at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s::int, %s::int)", [LOCK_CLASS, _slot(tenant_id)])


def lock_tenants(*, tenant_ids: Iterable[UUID]) -> None:
    """Wait for every taking of these tenants and keep new ones out until the open transaction ends; in one order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s::int, %s::int)", [LOCK_CLASS, SHARES_SLOT])
        for slot in sorted({_slot(tenant_id) for tenant_id in tenant_ids}):
            cursor.execute("SELECT pg_advisory_xact_lock(%s::int, %s::int)", [LOCK_CLASS, slot])


def lock_shares_alone() -> None:
    """Keep every edit of shares and of tenants' limits out until the open transaction ends; taking goes on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s::int, %s::int)", [LOCK_CLASS, SHARES_SLOT])


def _slot(tenant_id: UUID) -> int:
    return tenant_id.int % LOCKS_MAX


def apply_periods(*, quotas: Sequence[Quota], now: datetime) -> int:
    """Bring the limits of locked quotas to what holds at `now`; how many changed. Safe to repeat."""
    due = [quota for quota in quotas if quota.next_change_at is not None and quota.next_change_at <= now]
    if not due:
        return 0
    periods = read_periods(quota_ids=[quota.id for quota in due])
    for quota in due:
        quota.limit, quota.next_change_at = limit_at(base=quota.base_limit, periods=periods[quota.id], now=now)
    Quota.objects.bulk_update(due, ["limit", "next_change_at"])
    return len(due)


def read_periods(*, quota_ids: Iterable[UUID]) -> defaultdict[UUID, tuple[Period, ...]]:
    """The periods of quotas that were not revoked, by quota, in order."""
    found: defaultdict[UUID, tuple[Period, ...]] = defaultdict(tuple)
    rows = QuotaPeriod.objects.filter(quota_id__in=list(quota_ids), revoked_at__isnull=True)
    for row in rows.order_by("effective_from"):
        period = Period(limit=row.limit, starts_at=row.effective_from, ends_at=row.effective_to)
        found[row.quota_id] = (*found[row.quota_id], period)
    return found


def apply_due_periods(*, now: datetime) -> int:
    """Bring every limit to what holds at `now`, a batch; how many changed. Safe to repeat, and to run twice at once.

    Taking looks for itself, so this only keeps what people see true. Locks the quota rows, in order of id.
    """
    rows = Quota.objects.select_for_update(no_key=True).filter(next_change_at__lte=now).order_by("id")
    return apply_periods(quotas=list(rows[:DUE_PER_PASS_MAX]), now=now)

"""Periods that end soon: their tenant is told 14, 7 and 1 days before, once each."""

from datetime import datetime, timedelta
from typing import Final

from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice, resolve_notice
from marketplace.quotas.models import QuotaPeriod

REMINDERS: Final = ((1, Severity.WARNING), (7, Severity.INFO), (14, Severity.INFO))
"""Days before the end, nearest first."""
OVER_FOR: Final = timedelta(days=2)
PERIODS_PER_PASS_MAX: Final = 1_000


def remind_of_ends(*, now: datetime) -> int:
    """Open or renew a notice for every period that ends within 14 days, close those of periods that ended; how many are open.

    Safe to repeat: a hidden notice comes back only when it grows graver.
    """
    far = now + timedelta(days=REMINDERS[-1][0])
    rows = QuotaPeriod.objects.select_related("quota").filter(effective_to__gt=now - OVER_FOR, effective_to__lte=far)
    count = 0
    for period in rows.order_by("effective_to")[:PERIODS_PER_PASS_MAX]:
        key = f"quota-period-ends:{period.id}"
        if period.revoked_at is not None or period.effective_to <= now or period.effective_from > now:
            resolve_notice(key=key, now=now)
            continue
        days = max(1, -((now - period.effective_to) // timedelta(days=1)))
        severity = next(severity for within, severity in REMINDERS if days <= within)
        step = next(within for within, _severity in REMINDERS if days <= within)
        quota = period.quota
        raise_notice(
            key=key, code="quota.period_ends", severity=severity, tenant_id=period.tenant_id, now=now,
            object_type=QuotaPeriod.TYPE_PREFIX, object_id=period.id,
            facts={
                "selector": quota.selector or "any", "limit": period.limit, "after": quota.base_limit, "used": quota.used,
                "ends_on": f"{period.effective_to:%Y-%m-%d}", "days": step,
            },
        )  # fmt: skip
        count += 1
    return count

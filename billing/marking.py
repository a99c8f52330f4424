"""Making tenants due: whatever changes what is spent each second has their credit and budgets looked at again (`watch`)."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from billing.models import Budget, CreditAccount
from marketplace.kernel.hints import hint


def mark_due(*, tenant_ids: Collection[UUID], now: datetime) -> None:
    """Have tenants looked at by the next sweep: their rate is another one than when they were looked at last.

    All their budgets and accounts are locked, by id, those that are due too: a look under way may not have seen what is new,
    and what it writes is marked again once it is done. Requires an open transaction.
    """
    for rows in (
        Budget.objects.filter(tenant_id__in=tenant_ids, closed_at__isnull=True),
        CreditAccount.objects.filter(tenant_id__in=tenant_ids),
    ):
        found = rows.select_for_update(no_key=True).order_by("id").values_list("id", "next_crossing_at")
        later = [row_id for row_id, at in found if at is None or at > now]
        if later:
            rows.model.objects.filter(id__in=later).update(next_crossing_at=now)


def mark_agreed(*, tenant_id: UUID, now: datetime) -> None:
    """As `mark_due`, for what people agree on: looked at as soon as it is committed."""
    mark_due(tenant_ids=[tenant_id], now=now)
    hint("spending.changed", tenant_id)

"""Does it add up? Recomputes what the deltas should have come to, from what holds quota; changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice, resolve_notice
from marketplace.quotas.holders import QuotaDemand, lock_live_demands
from marketplace.quotas.models import Quota, QuotaHold
from marketplace.quotas.operations.locking import lock_tenants
from marketplace.quotas.operations.taking import amount_of, is_counted

DRIFT_KEY: Final = "quota-drift"

_TENANTS: Final = "SELECT DISTINCT tenant_id FROM quotas_quota ORDER BY tenant_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A quota whose counter, holds and holders disagree.

    Attributes:
        used: The counter.
        held: Sum of its live holds.
        expected: What its live holders should hold.
    """

    quota_id: UUID
    tenant_id: UUID
    used: int
    held: int
    expected: int


def list_tenants_with_quotas() -> Sequence[UUID]:
    """Whom the check looks at, one transaction each. For staff."""
    with connection.cursor() as cursor:
        cursor.execute(_TENANTS)
        return [tenant_id for (tenant_id,) in cursor.fetchall()]


def find_drift(*, tenant_id: UUID) -> Sequence[Drift]:
    """The tenant's quotas that do not add up. Repeatable; writes nothing.

    Locks the tenant against taking, its quota rows, and the rows that hold quota: what is on its way is waited for, so that nothing
    half-done is called a drift.
    """
    lock_tenants(tenant_ids=[tenant_id])
    quotas = list(Quota.objects.select_for_update(no_key=True).filter(tenant_id=tenant_id).order_by("id"))
    demands = dict(lock_live_demands(tenant_id=tenant_id))
    held: dict[UUID, int] = dict.fromkeys((quota.id for quota in quotas), 0)
    for quota_id, amount in QuotaHold.objects.filter(quota_id__in=held, released_at__isnull=True).values_list(
        "quota_id", "amount"
    ):
        held[quota_id] += amount
    return [drift for quota in quotas if (drift := _compare(quota, held[quota.id], demands.values())) is not None]


def _compare(quota: Quota, held: int, demands: Iterable[QuotaDemand]) -> Drift | None:
    counted = (demand for demand in demands if is_counted(quota=quota, demand=demand))
    expected = sum(amount_of(meter=quota.meter, demand=demand) for demand in counted)
    if quota.used == held == expected:
        return None
    return Drift(quota_id=quota.id, tenant_id=quota.tenant_id, used=quota.used, held=held, expected=expected)


def tell_drift(*, drifts: Sequence[Drift], now: datetime) -> None:
    """Alarm operators, or say that it adds up again. Safe to repeat."""
    if not drifts:
        resolve_notice(key=DRIFT_KEY, now=now)
        return
    first = drifts[0]
    raise_notice(
        key=DRIFT_KEY, code="quota.drift", severity=Severity.CRITICAL, now=now, object_type=Quota.TYPE_PREFIX,
        object_id=first.quota_id,
        facts={"count": len(drifts), "used": first.used, "held": first.held, "expected": first.expected},
    )  # fmt: skip

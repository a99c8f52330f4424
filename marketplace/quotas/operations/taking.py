"""Take when an intent is saved, give back when the pods are gone; by deltas, under the rows' locks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.kernel.errors import OndolError
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice, resolve_notice
from marketplace.kernel.pipelines import pipelined
from marketplace.quotas.holders import QuotaDemand
from marketplace.quotas.models import Enforcement, Meter, Quota, QuotaHold, ScopeKind, SelectorKind
from marketplace.quotas.operations.locking import apply_periods, share_tenant


class QuotaExceeded(OndolError):
    """The request does not fit under a hard limit; nothing was taken."""

    code = "quota_exceeded"
    http_status = 403
    title = _(
        "The quota of %(scope)s for %(selector)s is %(limit)s %(meter)s; %(used)s are in use and %(requested)s were asked for."
    )
    remedy = _(
        "End an instance that is no longer needed, ask for fewer devices, or ask your administrator to raise the quota."
    )


_TAKE: Final = """
WITH taken AS (
    INSERT INTO quotas_quotahold (id, tenant_id, quota_id, holder_id, amount, taken_at)
    SELECT wanted.id, %(tenant)s, wanted.quota_id, %(holder)s, wanted.amount, %(now)s
    FROM unnest(%(ids)s::uuid[], %(quotas)s::uuid[], %(amounts)s::int[]) AS wanted (id, quota_id, amount)
    ON CONFLICT (quota_id, holder_id) WHERE released_at IS NULL DO NOTHING
    RETURNING quota_id, amount
)
UPDATE quotas_quota SET used = used + taken.amount FROM taken WHERE quotas_quota.id = taken.quota_id
"""
_GIVE_BACK: Final = """
WITH freed AS (
    UPDATE quotas_quotahold SET released_at = %(now)s WHERE holder_id = %(holder)s AND released_at IS NULL
    RETURNING quota_id, amount
)
UPDATE quotas_quota SET used = used - freed.amount FROM freed WHERE quotas_quota.id = freed.quota_id
RETURNING quotas_quota.id, quotas_quota.enforcement = 'warn' AND quotas_quota.used <= quotas_quota."limit"
"""


def take_quota(*, demand: QuotaDemand, holder_id: UUID, now: datetime) -> None:
    """Take what the demand needs of every quota that applies, or nothing.

    Safe to repeat for the same holder: what it holds is not taken twice. A tenant without a quota row for what it asks has a
    limit of nothing to enforce here. Over a limit that only warns it is taken, and a notice says so.

    Raises:
        QuotaExceeded: The first limit without room; nothing is written.

    Locks the tenant against new limits, then the applicable quota rows in order of id. Requires an open transaction.
    """
    with pipelined():
        # The rows are read by a statement of its own, so they are as they stand once the lock is held.
        share_tenant(tenant_id=demand.tenant_id)
        quotas = lock_applicable_quotas(demand=demand, now=now)
    full = [quota for quota in quotas if quota.used + amount_of(meter=quota.meter, demand=demand) > quota.limit]
    if full:
        held = QuotaHold.objects.filter(holder_id=holder_id, released_at__isnull=True)
        already = set(held.values_list("quota_id", flat=True))
        quotas = [quota for quota in quotas if quota.id not in already]
        _judge([quota for quota in full if quota.id not in already], demand, now=now)
    if quotas:
        _take(quotas, demand, holder_id=holder_id, now=now)


def _judge(full: Sequence[Quota], demand: QuotaDemand, *, now: datetime) -> None:
    """Refuse at a hard limit, tell at one that warns."""
    for quota in full:
        if quota.enforcement == Enforcement.HARD:
            raise _exceeded(quota, amount_of(meter=quota.meter, demand=demand))
    for quota in full:
        raise_notice(
            key=over_limit_key(quota_id=quota.id),
            code="quota.over_limit",
            severity=Severity.WARNING,
            tenant_id=quota.tenant_id,
            facts={
                "selector": quota.selector or "any",
                "meter": quota.meter,
                "limit": quota.limit,
                "used": quota.used + amount_of(meter=quota.meter, demand=demand),
            },
            object_type=Quota.TYPE_PREFIX,
            object_id=quota.id,
            now=now,
        )


def _take(quotas: Sequence[Quota], demand: QuotaDemand, *, holder_id: UUID, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "tenant": demand.tenant_id,
                "holder": holder_id,
                "now": now,
                "ids": [ids.new_id() for _quota in quotas],
                "quotas": [quota.id for quota in quotas],
                "amounts": [amount_of(meter=quota.meter, demand=demand) for quota in quotas],
            },
        )


def over_limit_key(*, quota_id: UUID) -> str:
    """Names the notice of one quota that is over a limit that warns."""
    return f"quota-over-limit:{quota_id}"


def lock_held_quotas(*, holder_id: UUID) -> None:
    """Lock the quota rows that a holder holds, in order of id, until the open transaction ends."""
    held = QuotaHold.objects.filter(holder_id=holder_id, released_at__isnull=True).values("quota_id")
    list(Quota.objects.select_for_update(no_key=True).filter(id__in=held).order_by("id").values_list("id", flat=True))


def release_quota(*, holder_id: UUID, now: datetime) -> None:
    """Give back everything the holder holds. Safe to repeat: a hold is given back once.

    Locks the holder's quota rows in order of id. Requires an open transaction.
    """
    lock_held_quotas(holder_id=holder_id)
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_BACK, {"now": now, "holder": holder_id})
        under_again = [quota_id for quota_id, is_under_again in cursor.fetchall() if is_under_again]
    for quota_id in under_again:
        resolve_notice(key=over_limit_key(quota_id=quota_id), now=now)


def lock_applicable_quotas(*, demand: QuotaDemand, now: datetime) -> Sequence[Quota]:
    """The quota rows that the demand counts against, locked in order of id, each with the limit that holds at `now`."""
    rows = Quota.objects.select_for_update(no_key=True).filter(applies_to(demand=demand), tenant_id=demand.tenant_id)
    quotas = list(rows.order_by("id"))
    apply_periods(quotas=quotas, now=now)
    return quotas


def applies_to(*, demand: QuotaDemand) -> Q:
    """Which quota rows of the tenant count a demand."""
    scopes = Q(scope_kind=ScopeKind.TENANT, scope_id=demand.tenant_id) | Q(
        scope_kind=ScopeKind.PROJECT, scope_id=demand.project_id
    )
    if demand.user_id is not None:
        within = Q(within_project_id__isnull=True) | Q(within_project_id=demand.project_id)
        scopes |= Q(within, scope_kind=ScopeKind.MEMBER, scope_id=demand.user_id)
    selectors = (
        Q(selector_kind=SelectorKind.ANY)
        | Q(selector_kind=SelectorKind.ACCELERATOR, selector__in=demand.accelerators)
        | Q(selector_kind=SelectorKind.KIND, selector__in=demand.kinds)
    )
    meters = [meter for meter in Meter if amount_of(meter=meter, demand=demand)]
    return Q(scopes, selectors, meter__in=meters)


def is_counted(*, quota: Quota, demand: QuotaDemand) -> bool:
    """Whether one quota of the tenant counts a demand; says the same as `applies_to`."""
    scope = {
        ScopeKind.TENANT: quota.scope_id == demand.tenant_id,
        ScopeKind.PROJECT: quota.scope_id == demand.project_id,
        ScopeKind.MEMBER: quota.scope_id == demand.user_id and quota.within_project_id in (None, demand.project_id),
    }[ScopeKind(quota.scope_kind)]
    selector = {
        SelectorKind.ANY: True,
        SelectorKind.ACCELERATOR: quota.selector in demand.accelerators,
        SelectorKind.KIND: quota.selector in demand.kinds,
    }[SelectorKind(quota.selector_kind)]
    return scope and selector and amount_of(meter=quota.meter, demand=demand) > 0


def amount_of(*, meter: str, demand: QuotaDemand) -> int:
    """How much of a meter a demand takes."""
    return {
        Meter.DEVICES: demand.devices, Meter.INSTANCES: demand.instances, Meter.STORAGE_GIB: demand.storage_gib,
    }[Meter(meter)]  # fmt: skip


def _exceeded(quota: Quota, amount: int) -> QuotaExceeded:
    facts = {
        "scope": ScopeKind(quota.scope_kind).label,
        "selector": quota.selector or SelectorKind.ANY.label,
        "limit": quota.limit,
        "used": quota.used,
        "requested": amount,
        "meter": Meter(quota.meter).label,
    }
    return QuotaExceeded(facts=facts, pointer="/devices")

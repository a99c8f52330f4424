"""Every write of quotas: set a limit, take when an intent is saved, give back when the pods are gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import OndolError, ValidationFailed
from marketplace.quotas.models import Enforcement, Meter, Quota, QuotaHold, ScopeKind, SelectorKind


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


class QuotaInvalid(ValidationFailed):
    """A limit that cannot be set."""

    code = "quota_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaDemand:
    """What an intent asks of the quotas.

    Attributes:
        accelerators: Codes that the request may be placed on; each one's quota must have room, since any may be chosen.
        kinds: Their kinds (gpu, npu).
    """

    tenant_id: UUID
    project_id: UUID
    user_id: UUID | None
    accelerators: frozenset[str]
    kinds: frozenset[str]
    devices: int


def set_quota(
    *,
    actor: Actor,
    tenant_id: UUID,
    scope_kind: ScopeKind,
    scope_id: UUID,
    selector_kind: SelectorKind,
    selector: str,
    limit: int,
    now: datetime,
    meter: Meter = Meter.DEVICES,
) -> Quota:
    """Set a hard limit; below current use is allowed (nothing is taken away, nothing new fits). Safe to repeat; audited.

    Raises:
        QuotaInvalid: A negative limit, or a selector that does not go with its kind.

    Locks the quota row.
    """
    if limit < 0:
        raise QuotaInvalid(reason=_("A limit is a whole number, 0 or more."), pointer="/limit")
    if (selector_kind == SelectorKind.ANY) != (selector == ""):
        raise QuotaInvalid(reason=_("A selector is needed, except for `any`."), pointer="/selector")
    key = {
        "tenant_id": tenant_id, "scope_kind": scope_kind, "scope_id": scope_id,
        "selector_kind": selector_kind, "selector": selector, "meter": meter,
    }  # fmt: skip
    quota = Quota.objects.select_for_update(no_key=True).filter(**key).first()
    before = quota.limit if quota else None
    if quota is None:
        quota = Quota.objects.create(**key, limit=limit, updated_at=now)
    else:
        quota.limit, quota.updated_at = limit, now
        quota.save(update_fields=["limit", "updated_at"])
    record_act(
        actor=actor, action="quota.set", object_type="quo", object_id=quota.id, tenant_id=tenant_id, now=now,
        changes={"limit": [before, limit]},
    )  # fmt: skip
    return quota


def take_quota(*, demand: QuotaDemand, holder_id: UUID, now: datetime) -> None:
    """Take what the demand needs of every quota that applies, or nothing.

    Safe to repeat for the same holder: what it holds is not taken twice. A tenant without a quota row for what it asks has a
    limit of nothing to enforce here: the platform's default quotas are set when the tenant is approved.

    Raises:
        QuotaExceeded: The first limit without room; nothing is written.

    Locks the applicable quota rows in order of id. Requires an open transaction.
    """
    quotas = lock_applicable_quotas(demand=demand, now=now)
    held = set(
        QuotaHold.objects.filter(holder_id=holder_id, released_at__isnull=True).values_list("quota_id", flat=True)
    )
    missing = [quota for quota in quotas if quota.id not in held]
    for quota in missing:
        amount = _amount(quota, demand)
        if quota.enforcement == Enforcement.HARD and quota.used + amount > quota.limit:
            raise _exceeded(quota, amount)
    QuotaHold.objects.bulk_create(
        QuotaHold(
            tenant_id=quota.tenant_id, quota=quota, holder_id=holder_id, amount=_amount(quota, demand), taken_at=now
        )
        for quota in missing
    )
    for quota in missing:
        Quota.objects.filter(id=quota.id).update(used=F("used") + _amount(quota, demand))


def lock_held_quotas(*, holder_id: UUID) -> None:
    """Lock the quota rows that a holder holds, in order of id, until the open transaction ends."""
    held = QuotaHold.objects.filter(holder_id=holder_id, released_at__isnull=True).values("quota_id")
    list(Quota.objects.select_for_update(no_key=True).filter(id__in=held).order_by("id").values_list("id", flat=True))


def release_quota(*, holder_id: UUID, now: datetime) -> None:
    """Give back everything the holder holds. Safe to repeat: a hold is given back once.

    Locks the holder's quota rows in order of id. Requires an open transaction.
    """
    lock_held_quotas(holder_id=holder_id)
    for hold in QuotaHold.objects.filter(holder_id=holder_id, released_at__isnull=True):
        if QuotaHold.objects.filter(id=hold.id, released_at__isnull=True).update(released_at=now):
            Quota.objects.filter(id=hold.quota_id).update(used=F("used") - hold.amount)


def lock_applicable_quotas(*, demand: QuotaDemand, now: datetime) -> Sequence[Quota]:
    """The quota rows that the demand counts against, locked in order of id until the transaction ends."""
    scopes = Q(scope_kind=ScopeKind.TENANT, scope_id=demand.tenant_id) | Q(
        scope_kind=ScopeKind.PROJECT, scope_id=demand.project_id
    )
    if demand.user_id is not None:
        scopes |= Q(scope_kind=ScopeKind.MEMBER, scope_id=demand.user_id)
    selectors = (
        Q(selector_kind=SelectorKind.ANY)
        | Q(selector_kind=SelectorKind.ACCELERATOR, selector__in=demand.accelerators)
        | Q(selector_kind=SelectorKind.KIND, selector__in=demand.kinds)
    )
    in_force = (Q(effective_from__isnull=True) | Q(effective_from__lte=now)) & (
        Q(effective_to__isnull=True) | Q(effective_to__gt=now)
    )
    rows = Quota.objects.select_for_update(no_key=True).filter(scopes, selectors, in_force, tenant_id=demand.tenant_id)
    return list(rows.order_by("id"))


def _amount(quota: Quota, demand: QuotaDemand) -> int:
    return 1 if quota.meter == Meter.INSTANCES else demand.devices


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

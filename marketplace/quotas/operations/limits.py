"""Set limits and their periods: every edit is checked against the whole path of the tree before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import Accelerator, AcceleratorKind
from marketplace.kernel.actors import Actor, ActorKind
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, ValidationFailed
from marketplace.quotas.holders import QuotaDemand, lock_live_demands
from marketplace.quotas.models import (
    ChangeKind,
    Enforcement,
    Meter,
    Quota,
    QuotaHold,
    QuotaPeriod,
    ScopeKind,
    SelectorKind,
)
from marketplace.quotas.operations.changes import Changed, describe_period, note_changes, state_of
from marketplace.quotas.operations.locking import lock_tenants, read_periods
from marketplace.quotas.operations.path import LineKey, line_of, read_path
from marketplace.quotas.operations.taking import amount_of, is_counted
from marketplace.quotas.tree import Conflict, Line, Period, find_conflict, find_overlap, limit_at
from marketplace.tenants.models import Membership, Project, Tenant

LIMIT_MAX: Final = 2_147_483_647


class QuotaInvalid(ValidationFailed):
    """A limit that cannot be set."""

    code = "quota_invalid"


class QuotaBelowUse(ValidationFailed):
    """The limit is below what is in use; nothing was changed."""

    code = "quota_below_use"
    remedy = _(
        "Choose a limit of at least the present use, or say that it may be below: nothing is taken away then, and nothing new fits."
    )


class QuotaAboveParent(ValidationFailed):
    """A limit would allow more than the one above it; nothing was changed."""

    code = "quota_above_parent"
    remedy = _("Lower the limit, or change the other one first.")


class QuotaPeriodInvalid(ValidationFailed):
    """A period that runs backwards, is over, or overlaps another; nothing was changed."""

    code = "quota_period_invalid"


class BelowUse(Enum):
    """What to do when a limit is below what is in use."""

    REFUSE = "refuse"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaEdit:
    """What a line is to become.

    Attributes:
        limit: The permanent limit, or the period's where both instants are given.
        enforcement: None = as it is; hard for a new line.
    """

    line: LineKey
    limit: int
    enforcement: Enforcement | None = None
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    below_use: BelowUse = BelowUse.REFUSE


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
    within_project_id: UUID | None = None,
    enforcement: Enforcement | None = None,
    below_use: BelowUse = BelowUse.REFUSE,
    reason: str = "",
) -> Quota:
    """Set a permanent limit. What already runs counts into a new one. Safe to repeat; audited.

    Args:
        below_use: KEEP allows a hard limit below present use: nothing is taken away, nothing new fits.

    Raises:
        QuotaInvalid, QuotaBelowUse, QuotaAboveParent: Nothing is written.
        NotFound: The project or member is not the tenant's.

    Locks the tenant against taking and other edits, the quota row, and for a new limit the rows that hold quota.
    """
    line = LineKey(
        tenant_id=tenant_id, scope_kind=scope_kind, scope_id=scope_id, within_project_id=within_project_id,
        selector_kind=selector_kind, selector=selector, meter=meter,
    )  # fmt: skip
    edit = QuotaEdit(line=line, limit=limit, enforcement=enforcement, below_use=below_use)
    return apply_edit(actor=actor, edit=edit, reason=reason, now=now)


def apply_edit(*, actor: Actor, edit: QuotaEdit, reason: str, now: datetime) -> Quota:
    """Set a permanent limit or one for a period, as `set_quota`.

    Raises:
        QuotaInvalid, QuotaBelowUse, QuotaAboveParent, QuotaPeriodInvalid, NotFound: Nothing is written.
    """
    kinds = read_kinds()
    check_shape(edit=edit, kinds=kinds, now=now)
    lock_tenants(tenant_ids=[edit.line.tenant_id])
    tenant = check_scope(actor=actor, line=edit.line)
    quota = Quota.objects.select_for_update(no_key=True).filter(**edit.line.fields()).first()
    periods = read_periods(quota_ids=[quota.id])[quota.id] if quota else ()
    after = check_edit(
        edit=edit, quota=quota, periods=periods,
        path=read_path(tenant=tenant, kinds=kinds, has_shares=actor.kind is not ActorKind.CUSTOMER), kinds=kinds, now=now,
    )  # fmt: skip
    return write_edit(actor=actor, edit=edit, quota=quota, after=after, reason=reason, now=now)


def write_edit(
    *, actor: Actor, edit: QuotaEdit, quota: Quota | None, after: tuple[Period, ...], reason: str, now: datetime
) -> Quota:
    """Write a checked edit; the caller holds the tenant's lock and the quota row's.

    Args:
        after: The line's periods after the edit, as `check_edit` returned them.

    Raises:
        QuotaBelowUse: A new limit is below what already runs; nothing is written.
    """
    if edit.effective_to is not None:
        return _add_period(actor=actor, edit=edit, quota=quota, after=after, reason=reason, now=now)
    if quota is None:
        return _create(actor=actor, edit=edit, reason=reason, now=now)
    return _change(actor=actor, edit=edit, quota=quota, after=after, reason=reason, now=now)


def revoke_period(*, actor: Actor, period_id: UUID, reason: str, now: datetime) -> Quota:
    """End a period now, or before it begins: the permanent limit holds again. Safe to repeat; audited.

    Raises:
        NotFound: Unknown.

    Locks as `set_quota`.
    """
    period = QuotaPeriod.objects.filter(id=period_id).first()
    if period is None:
        raise NotFound
    lock_tenants(tenant_ids=[period.tenant_id])
    quota = Quota.objects.select_for_update(no_key=True).get(id=period.quota_id)
    if not QuotaPeriod.objects.filter(id=period_id, revoked_at__isnull=True).update(revoked_at=now):
        return quota
    left = read_periods(quota_ids=[quota.id])[quota.id]
    quota.limit, quota.next_change_at = limit_at(base=quota.base_limit, periods=left, now=now)
    quota.updated_at = now
    quota.save(update_fields=["limit", "next_change_at", "updated_at"])
    note_changes(
        actor=actor, reason=reason, now=now,
        changes=[Changed(kind=ChangeKind.PERIOD_REVOKED, quota=quota, period_id=period.id, before=describe_period(period))],
    )  # fmt: skip
    record_act(
        actor=actor, action="quota.period_revoked", object_type="quo", object_id=quota.id, tenant_id=quota.tenant_id,
        reason=reason, now=now, changes={"period": [describe_period(period), None]},
    )  # fmt: skip
    return quota


def read_kinds() -> Mapping[str, str]:
    """The catalogue's kind by accelerator code."""
    return dict(Accelerator.objects.values_list("code", "kind"))


def check_shape(*, edit: QuotaEdit, kinds: Mapping[str, str], now: datetime) -> None:
    """Refuse what no line could be, whatever the tree looks like.

    Raises:
        QuotaInvalid, QuotaPeriodInvalid: Names the member.
    """
    line = edit.line
    if not 0 <= edit.limit <= LIMIT_MAX:
        raise QuotaInvalid(reason=_("A limit is a whole number, 0 or more."), pointer="/limit")
    if (line.selector_kind == SelectorKind.ANY) != (line.selector == ""):
        raise QuotaInvalid(reason=_("A selector is needed, except for `any`."), pointer="/selector")
    known = {SelectorKind.ANY: {""}, SelectorKind.KIND: set(AcceleratorKind.values)}
    if line.selector not in known.get(SelectorKind(line.selector_kind), kinds):
        raise QuotaInvalid(reason=_("The catalogue has no such accelerator or kind."), pointer="/selector")
    if line.meter == Meter.STORAGE_GIB and line.selector_kind != SelectorKind.ANY:
        raise QuotaInvalid(reason=_("Storage is counted for `any` alone."), pointer="/selector")
    if line.within_project_id is not None and line.scope_kind != ScopeKind.MEMBER:
        raise QuotaInvalid(reason=_("Only a member's limit counts within a project."), pointer="/within_project")
    check_window(starts_at=edit.effective_from, ends_at=edit.effective_to, now=now)


def check_window(*, starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> None:
    """Refuse a period that has one end only, runs backwards or is over.

    Raises:
        QuotaPeriodInvalid: Names the member.
    """
    if (starts_at is None) != (ends_at is None):
        raise QuotaPeriodInvalid(reason=_("A period needs both its beginning and its end."), pointer="/effective_to")
    if starts_at is None or ends_at is None:
        return
    if ends_at <= starts_at:
        raise QuotaPeriodInvalid(reason=_("The period ends before it begins."), pointer="/effective_to")
    if ends_at <= now:
        raise QuotaPeriodInvalid(reason=_("The period is over already."), pointer="/effective_to")


def check_scope(*, actor: Actor, line: LineKey) -> Tenant:
    """The line's tenant, when the actor may set limits there and project and member belong to it.

    Raises:
        NotFound: Unknown, or another tenant's.
        QuotaInvalid: A member of the tenant wants to set the tenant's own limit.
    """
    tenant = Tenant.objects.filter(id=line.tenant_id).first()
    if tenant is None or (actor.kind is ActorKind.CUSTOMER and actor.tenant_id != tenant.id):
        raise NotFound
    if actor.kind is ActorKind.CUSTOMER and line.scope_kind == ScopeKind.TENANT:
        raise QuotaInvalid(
            reason=_("The organization's own limit is set by the operator; ask for more with a request."),
            pointer="/scope",
        )
    projects = {line.within_project_id} if line.within_project_id else set()
    if line.scope_kind == ScopeKind.PROJECT:
        projects.add(line.scope_id)
    found = Project.objects.filter(tenant_id=tenant.id, id__in=projects).count()
    is_member = (
        line.scope_kind != ScopeKind.MEMBER
        or Membership.objects.filter(tenant_id=tenant.id, user_id=line.scope_id).exists()
    )
    is_tenants_own = line.scope_kind != ScopeKind.TENANT or line.scope_id == tenant.id
    if found != len(projects) or not is_member or not is_tenants_own:
        raise NotFound(pointer="/scope")
    return tenant


def check_edit(
    *,
    edit: QuotaEdit,
    quota: Quota | None,
    periods: tuple[Period, ...],
    path: Sequence[Line],
    kinds: Mapping[str, str],
    now: datetime,
) -> tuple[Period, ...]:
    """The line's periods after the edit, when the edit breaks nothing.

    Raises:
        QuotaPeriodInvalid, QuotaAboveParent, QuotaBelowUse: Nothing is written.
    """
    after, base = periods, edit.limit
    if edit.effective_from is not None and edit.effective_to is not None:
        if quota is None:
            raise QuotaPeriodInvalid(
                reason=_("Nothing is limited there; set a permanent limit first."), pointer="/effective_from"
            )
        base = quota.base_limit
        after = (*periods, Period(limit=edit.limit, starts_at=edit.effective_from, ends_at=edit.effective_to))
        if find_overlap(after) is not None:
            raise QuotaPeriodInvalid(
                reason=_("Another limit already holds in a part of this period."), pointer="/effective_from"
            )
    conflict = find_conflict(edited=line_of(edit.line, base=base, periods=after, kinds=kinds), others=path)
    if conflict is not None:
        raise above_parent(conflict)
    in_force, _next = limit_at(base=base, periods=after, now=now)
    enforcement = edit.enforcement or (quota.enforcement if quota else Enforcement.HARD)
    is_below = quota is not None and in_force < quota.used and in_force < quota.limit
    if quota is not None and is_below and enforcement == Enforcement.HARD and edit.below_use is BelowUse.REFUSE:
        raise below_use(limit=in_force, used=quota.used)
    return after


def above_parent(conflict: Conflict) -> QuotaAboveParent:
    """The refusal of a limit above the one that stands above it."""
    reason = _("The limit of %(lower_level)s would be %(lower)s, above the %(upper)s of %(upper_level)s.")
    facts = {
        "lower_level": LEVEL_NAMES[conflict.lower.level], "upper_level": LEVEL_NAMES[conflict.upper.level],
        "lower": conflict.lower_limit, "upper": conflict.upper_limit,
    }  # fmt: skip
    return QuotaAboveParent(reason=reason % facts, pointer="/limit", facts=facts)


def below_use(*, limit: int, used: int) -> QuotaBelowUse:
    """The refusal of a limit below what is in use."""
    reason = _("The limit would be %(limit)s, below the %(used)s in use.") % {"limit": limit, "used": used}
    return QuotaBelowUse(reason=reason, pointer="/limit", facts={"limit": limit, "used": used})


LEVEL_NAMES: Final = [_("the platform"), _("the sector"), _("the organization"), _("a project"), _("a member")]
"""By `tree.Level`."""


def _create(*, actor: Actor, edit: QuotaEdit, reason: str, now: datetime) -> Quota:
    """Write a new line and count into it what already runs."""
    quota, holds = count_into_new(edit=edit, demands=dict(lock_live_demands(tenant_id=edit.line.tenant_id)), now=now)
    quota.save(force_insert=True)
    QuotaHold.objects.bulk_create(holds)
    changed = Changed(kind=ChangeKind.LIMIT, quota=quota, after=state_of(quota))
    note_changes(actor=actor, changes=[changed], reason=reason, now=now)
    record_set(
        actor=actor,
        quota=quota,
        changes={"limit": [None, edit.limit], "enforcement": [None, quota.enforcement]},
        reason=reason,
        now=now,
    )
    return quota


def count_into_new(
    *, edit: QuotaEdit, demands: Mapping[UUID, QuotaDemand], now: datetime
) -> tuple[Quota, list[QuotaHold]]:
    """A new line, and what already runs counted into it; both are still to be written.

    Args:
        demands: The tenant's live holders, locked.

    Raises:
        QuotaBelowUse: The limit is below what runs, and that is not wanted.
    """
    quota = Quota(
        **edit.line.fields(),
        limit=edit.limit,
        base_limit=edit.limit,
        enforcement=edit.enforcement or Enforcement.HARD,
        updated_at=now,
    )
    holds = [
        QuotaHold(
            tenant_id=quota.tenant_id,
            quota=quota,
            holder_id=holder_id,
            taken_at=now,
            amount=amount_of(meter=quota.meter, demand=demand),
        )
        for holder_id, demand in demands.items()
        if is_counted(quota=quota, demand=demand)
    ]
    quota.used = sum(hold.amount for hold in holds)
    if quota.used > quota.limit and quota.enforcement == Enforcement.HARD and edit.below_use is BelowUse.REFUSE:
        raise below_use(limit=quota.limit, used=quota.used)
    return quota, holds


def _change(
    *, actor: Actor, edit: QuotaEdit, quota: Quota, after: tuple[Period, ...], reason: str, now: datetime
) -> Quota:
    changes: dict[str, Any] = {"limit": [quota.base_limit, edit.limit]}
    before = state_of(quota)
    quota.base_limit, quota.updated_at = edit.limit, now
    quota.limit, quota.next_change_at = limit_at(base=edit.limit, periods=after, now=now)
    if edit.enforcement is not None and edit.enforcement != quota.enforcement:
        changes["enforcement"] = [quota.enforcement, str(edit.enforcement)]
        quota.enforcement = edit.enforcement
    quota.save(update_fields=["base_limit", "limit", "next_change_at", "enforcement", "updated_at"])
    changed = Changed(kind=ChangeKind.LIMIT, quota=quota, before=before, after=state_of(quota))
    note_changes(actor=actor, changes=[changed], reason=reason, now=now)
    record_set(actor=actor, quota=quota, changes=changes, reason=reason, now=now)
    return quota


def _add_period(
    *, actor: Actor, edit: QuotaEdit, quota: Quota | None, after: tuple[Period, ...], reason: str, now: datetime
) -> Quota:
    if quota is None or edit.effective_from is None or edit.effective_to is None:
        raise AssertionError("check_edit refuses a period without a line")
    period = QuotaPeriod.objects.create(
        tenant_id=quota.tenant_id, quota=quota, limit=edit.limit, effective_from=edit.effective_from,
        effective_to=edit.effective_to, reason=reason, created_by_name=actor.name, created_at=now,
    )  # fmt: skip
    quota.limit, quota.next_change_at = limit_at(base=quota.base_limit, periods=after, now=now)
    quota.updated_at = now
    quota.save(update_fields=["limit", "next_change_at", "updated_at"])
    changed = Changed(kind=ChangeKind.PERIOD, quota=quota, period_id=period.id, after=describe_period(period))
    note_changes(actor=actor, changes=[changed], reason=reason, now=now)
    record_set(actor=actor, quota=quota, changes={"period": [None, describe_period(period)]}, reason=reason, now=now)
    return quota


def record_set(*, actor: Actor, quota: Quota, changes: Mapping[str, Any], reason: str, now: datetime) -> None:
    """Append the audit entry of one edit."""
    record_act(
        actor=actor, action="quota.set", object_type="quo", object_id=quota.id, tenant_id=quota.tenant_id, reason=reason,
        now=now, changes=changes,
    )  # fmt: skip

"""Many limits at once: planned as a whole, shown before it is done, and all of it or nothing.

The plan is made by the same function for the preview and, under the locks, for the deed. Limits are checked against the tree as it
will be after the last row, so that the order of rows does not matter.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import OndolError
from marketplace.quotas.csv_file import Row, RowError
from marketplace.quotas.holders import QuotaDemand, lock_live_demands
from marketplace.quotas.models import ChangeKind, Enforcement, Meter, Quota, QuotaHold, ScopeKind, SelectorKind
from marketplace.quotas.operations.changes import Changed, note_changes, state_of
from marketplace.quotas.operations.deciding import Thresholds, propose_edit
from marketplace.quotas.operations.limits import (
    BelowUse,
    QuotaEdit,
    above_parent,
    check_edit,
    check_shape,
    count_into_new,
    read_kinds,
    record_set,
    write_edit,
)
from marketplace.quotas.operations.locking import lock_tenants, read_periods
from marketplace.quotas.operations.path import LineKey, key_of, line_of, read_share_lines
from marketplace.quotas.tree import Line, Period, find_conflict
from marketplace.tenants.models import Membership, Project, Tenant

ERRORS_NAMED_MAX: Final = 100


class BulkInvalid(OndolError):
    """A row cannot be used; nothing was changed."""

    code = "quota_file_invalid"
    http_status = 422
    title = _("%(count)s rows cannot be used; the first is row %(row)s: %(message)s")
    remedy = _("Correct the rows that are named and send the whole file again; nothing was changed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEdit:
    """One row with what it changes.

    Attributes:
        before: The limit in force; None where there is none.
        needs_second: It is put into the inbox for a second person instead of being done.
    """

    row: Row
    edit: QuotaEdit
    quota: Quota | None
    periods_after: tuple[Period, ...]
    before: int | None
    used: int
    needs_second: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPlan:
    """What a file would do.

    Attributes:
        errors: With any, nothing can be done.
    """

    edits: Sequence[PlannedEdit]
    errors: Sequence[RowError]


@dataclass(slots=True)
class _World:
    """Everything that rows are judged by, read at once."""

    sectors: Mapping[UUID, str]
    projects: Mapping[UUID, UUID]
    members: frozenset[tuple[UUID, UUID]]
    quotas: Mapping[LineKey, Quota]
    periods: Mapping[UUID, tuple[Period, ...]]
    shares: Mapping[str, list[Line]]
    kinds: Mapping[str, str]


def plan_bulk(*, rows: Sequence[Row], below_use: BelowUse, thresholds: Thresholds, now: datetime) -> BulkPlan:
    """What the rows would do, and every row that cannot be done. Reads a fixed number of times; writes nothing. For staff."""
    world = _read_world(rows)
    edits: list[PlannedEdit] = []
    errors: list[RowError] = []
    seen: dict[LineKey, int] = {}
    for row in rows:
        edit = _edit(row, below_use)
        if edit.line in seen:
            errors.append(
                RowError(number=row.number, message=_("Row %(row)s names the same line.") % {"row": seen[edit.line]})
            )
            continue
        seen[edit.line] = row.number
        try:
            edits.append(_plan(row, edit, world, thresholds, now=now))
        except OndolError as refused:
            errors.append(RowError(number=row.number, message=_sentence(refused)))
    errors.extend(_find_conflicts(edits, world))
    return BulkPlan(edits=edits, errors=sorted(errors, key=lambda error: error.number)[:ERRORS_NAMED_MAX])


def apply_bulk(
    *, actor: Actor, rows: Sequence[Row], below_use: BelowUse, thresholds: Thresholds, reason: str, now: datetime
) -> BulkPlan:
    """Do all rows in this transaction, or none; each is audited. Rows above the threshold go to the inbox.

    Raises:
        BulkInvalid: With the first row's number; nothing is written.
        QuotaBelowUse: What began to run meanwhile does not fit under a new limit; nothing is written.
        QuotaRequestPending: A row above the threshold meets a pending request.

    Locks every tenant that is named, then their quota rows.
    """
    lock_tenants(tenant_ids={row.tenant_id for row in rows})
    plan = plan_bulk(rows=rows, below_use=below_use, thresholds=thresholds, now=now)
    refuse_errors(errors=plan.errors)
    for item in plan.edits:
        if item.needs_second and item.quota is not None:
            propose_edit(actor=actor, edit=item.edit, quota=item.quota, reason=reason, now=now)
        elif item.quota is not None:
            write_edit(actor=actor, edit=item.edit, quota=item.quota, after=item.periods_after, reason=reason, now=now)
    _create_lines(actor, [item.edit for item in plan.edits if item.quota is None], reason=reason, now=now)
    return plan


def _create_lines(actor: Actor, edits: Sequence[QuotaEdit], *, reason: str, now: datetime) -> None:
    """New lines in a few statements; what runs is read once for each tenant."""
    demands: dict[UUID, Mapping[UUID, QuotaDemand]] = {}
    quotas: list[Quota] = []
    holds: list[QuotaHold] = []
    for edit in edits:
        tenant_id = edit.line.tenant_id
        if tenant_id not in demands:
            demands[tenant_id] = dict(lock_live_demands(tenant_id=tenant_id))
        quota, counted = count_into_new(edit=edit, demands=demands[tenant_id], now=now)
        quotas.append(quota)
        holds.extend(counted)
    Quota.objects.bulk_create(quotas, batch_size=1_000)
    QuotaHold.objects.bulk_create(holds, batch_size=1_000)
    changed = [Changed(kind=ChangeKind.LIMIT, quota=quota, after=state_of(quota)) for quota in quotas]
    note_changes(actor=actor, changes=changed, reason=reason, now=now)
    for quota in quotas:
        changes = {"limit": [None, quota.base_limit], "enforcement": [None, quota.enforcement]}
        record_set(actor=actor, quota=quota, changes=changes, reason=reason, now=now)


def refuse_errors(*, errors: Sequence[RowError]) -> None:
    """Refuse a file with errors.

    Raises:
        BulkInvalid: With the first row's number and all that are named.
    """
    if errors:
        first = errors[0]
        raise BulkInvalid(
            facts={"count": len(errors), "row": first.number, "message": first.message},
            details={"rows": [{"row": error.number, "message": str(error.message)} for error in errors]},
        )


def _read_world(rows: Sequence[Row]) -> _World:
    tenant_ids = {row.tenant_id for row in rows}
    kinds = read_kinds()
    sectors = dict(Tenant.objects.filter(id__in=tenant_ids).values_list("id", "sector"))
    quotas = list(Quota.objects.filter(tenant_id__in=tenant_ids).order_by("id").select_for_update(no_key=True))
    return _World(
        sectors=sectors,
        projects=dict(Project.objects.filter(tenant_id__in=tenant_ids).values_list("id", "tenant_id")),
        members=frozenset(Membership.objects.filter(tenant_id__in=tenant_ids).values_list("tenant_id", "user_id")),
        quotas={key_of(quota): quota for quota in quotas},
        periods=read_periods(quota_ids=[quota.id for quota in quotas]),
        shares=read_share_lines(sectors=sorted(set(sectors.values())), kinds=kinds),
        kinds=kinds,
    )


def _edit(row: Row, below_use: BelowUse) -> QuotaEdit:
    line = LineKey(
        tenant_id=row.tenant_id, scope_kind=ScopeKind(row.scope), scope_id=row.scope_id,
        selector_kind=SelectorKind(row.selector_kind), selector=row.selector, meter=Meter(row.meter),
    )  # fmt: skip
    return QuotaEdit(
        line=line, limit=row.limit, enforcement=Enforcement(row.enforcement) if row.enforcement else None,
        effective_from=row.starts_at, effective_to=row.ends_at, below_use=below_use,
    )  # fmt: skip


class _Unknown(OndolError):
    """A tenant, project or member that is not there."""

    title = _("There is no such organization, project or member.")


def _plan(row: Row, edit: QuotaEdit, world: _World, thresholds: Thresholds, *, now: datetime) -> PlannedEdit:
    check_shape(edit=edit, kinds=world.kinds, now=now)
    is_known = {
        ScopeKind.TENANT: row.tenant_id in world.sectors,
        ScopeKind.PROJECT: world.projects.get(row.scope_id) == row.tenant_id,
        ScopeKind.MEMBER: (row.tenant_id, row.scope_id) in world.members,
    }[edit.line.scope_kind]
    if not is_known:
        raise _Unknown
    quota = world.quotas.get(edit.line)
    before = world.periods.get(quota.id, ()) if quota else ()
    after = check_edit(edit=edit, quota=quota, periods=before, path=(), kinds=world.kinds, now=now)
    return PlannedEdit(
        row=row, edit=edit, quota=quota, periods_after=after, before=quota.limit if quota else None,
        used=quota.used if quota else 0,
        needs_second=quota is not None
        and thresholds.needs_second(meter=quota.meter, before=quota.limit, after=edit.limit),
    )  # fmt: skip


def _find_conflicts(edits: Sequence[PlannedEdit], world: _World) -> list[RowError]:
    """Each edited line against the tree as it will be."""
    lines: defaultdict[UUID, dict[LineKey, Line]] = defaultdict(dict)
    for key, quota in world.quotas.items():
        periods = world.periods.get(quota.id, ())
        lines[key.tenant_id][key] = line_of(key, base=quota.base_limit, periods=periods, kinds=world.kinds)
    for item in edits:
        lines[item.edit.line.tenant_id][item.edit.line] = _line_after(item, world.kinds)
    errors = []
    for item in edits:
        tenant_id = item.edit.line.tenant_id
        others = [*world.shares[world.sectors[tenant_id]], *lines[tenant_id].values()]
        conflict = find_conflict(edited=lines[tenant_id][item.edit.line], others=others)
        if conflict is not None:
            errors.append(RowError(number=item.row.number, message=_sentence(above_parent(conflict))))
    return errors


def _line_after(item: PlannedEdit, kinds: Mapping[str, str]) -> Line:
    base = item.edit.limit
    if item.edit.effective_to is not None and item.quota is not None:
        base = item.quota.base_limit
    return line_of(item.edit.line, base=base, periods=item.periods_after, kinds=kinds)


def _sentence(refused: OndolError) -> str | Promise:
    reason: Any = refused.facts.get("reason")
    return str(reason) if reason else refused.message()

"""Shares of sectors and of the platform: every edit is checked against the tenants below before anything is written."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import AcceleratorKind
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound
from marketplace.quotas.models import ChangeKind, Enforcement, Meter, SelectorKind, Share, ShareScope
from marketplace.quotas.operations.changes import Changed, note_changes, share_state_of
from marketplace.quotas.operations.limits import (
    LIMIT_MAX,
    BelowUse,
    QuotaInvalid,
    QuotaPeriodInvalid,
    above_parent,
    below_use,
    check_window,
    read_kinds,
)
from marketplace.quotas.operations.locking import lock_shares_alone
from marketplace.quotas.operations.path import read_share_lines, read_tenant_lines
from marketplace.quotas.tree import Conflict, Level, find_conflict
from marketplace.tenants.models import Sector, Tenant

OVERCOMMIT_PERCENT: Final = range(100, 1001)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareEdit:
    """What a share is to become.

    Attributes:
        used: What is allocated of it now, where the caller knows; None = not compared.
    """

    scope_kind: ShareScope
    sector: str
    selector_kind: SelectorKind
    selector: str
    meter: Meter
    limit: int
    enforcement: Enforcement = Enforcement.HARD
    overcommit_percent: int = 100
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    below_use: BelowUse = BelowUse.REFUSE
    used: int | None = None

    def line(self) -> dict[str, Any]:
        """Columns that name the share."""
        return {
            "scope_kind": self.scope_kind,
            "sector": self.sector,
            "selector_kind": self.selector_kind,
            "selector": self.selector,
            "meter": self.meter,
        }


def set_share(*, actor: Actor, edit: ShareEdit, reason: str, now: datetime) -> Share:
    """Set the permanent share, or one for a period. Safe to repeat for the permanent one; audited.

    Raises:
        QuotaInvalid, QuotaBelowUse, QuotaAboveParent, QuotaPeriodInvalid: Nothing is written.

    Locks all shares against other edits and edits of tenants' limits, then the share's row.
    """
    _check_shape(edit, now=now)
    lock_shares_alone()
    rows = Share.objects.select_for_update(no_key=True).filter(**edit.line(), revoked_at__isnull=True)
    known = next((row for row in rows if row.effective_from is None), None)
    if edit.effective_from is not None and edit.effective_to is not None:
        _check_overlap(list(rows), starts_at=edit.effective_from, ends_at=edit.effective_to)
    if edit.used is not None and edit.limit < edit.used and edit.below_use is BelowUse.REFUSE:
        raise below_use(limit=edit.limit, used=edit.used)
    values = {
        "limit": edit.limit, "enforcement": edit.enforcement, "overcommit_percent": edit.overcommit_percent,
        "updated_at": now,
    }  # fmt: skip
    before = share_state_of(known) if known and edit.effective_from is None else None
    if known is None or edit.effective_from is not None:
        share = Share.objects.create(
            **edit.line(), **values, effective_from=edit.effective_from, effective_to=edit.effective_to
        )
    else:
        share = known
        Share.objects.filter(id=share.id).update(**values)
        share.refresh_from_db()
    conflict = _find_conflict_below(share)
    if conflict is not None:
        raise above_parent(conflict)
    period = (
        [edit.effective_from.isoformat(), edit.effective_to.isoformat()]
        if edit.effective_from and edit.effective_to
        else []
    )
    changed = Changed(kind=ChangeKind.SHARE, share=share, before=before, after=share_state_of(share))
    note_changes(actor=actor, changes=[changed], reason=reason, now=now)
    record_act(
        actor=actor, action="share.set", object_type="qsh", object_id=share.id, reason=reason, now=now,
        changes={
            "limit": [before["limit"] if before else None, edit.limit], "enforcement": [None, str(edit.enforcement)],
            "overcommit_percent": [None, edit.overcommit_percent], "period": [None, period],
        },
    )  # fmt: skip
    return share


def revoke_share(*, actor: Actor, share_id: UUID, reason: str, now: datetime) -> Share:
    """End a share: nothing is limited there any more, or the permanent share holds again. Safe to repeat; audited.

    Raises:
        NotFound: Unknown.

    Locks as `set_share`.
    """
    lock_shares_alone()
    share = Share.objects.select_for_update(no_key=True).filter(id=share_id).first()
    if share is None:
        raise NotFound
    if share.revoked_at is None:
        share.revoked_at = now
        share.save(update_fields=["revoked_at"])
        changed = Changed(kind=ChangeKind.SHARE_REVOKED, share=share, before=share_state_of(share))
        note_changes(actor=actor, changes=[changed], reason=reason, now=now)
        record_act(
            actor=actor, action="share.revoked", object_type="qsh", object_id=share.id, reason=reason, now=now,
            changes={"limit": [share.limit, None]},
        )  # fmt: skip
    return share


def _check_shape(edit: ShareEdit, *, now: datetime) -> None:
    if not 0 <= edit.limit <= LIMIT_MAX:
        raise QuotaInvalid(reason=_("A limit is a whole number, 0 or more."), pointer="/limit")
    if (edit.scope_kind == ShareScope.SECTOR) != (edit.sector in Sector.values):
        raise QuotaInvalid(
            reason=_("Name a sector for a sector's share, and none for the platform's."), pointer="/scope"
        )
    known = {SelectorKind.ANY: {""}, SelectorKind.KIND: set(AcceleratorKind.values)}
    if edit.selector not in known.get(edit.selector_kind, set(read_kinds())):
        raise QuotaInvalid(reason=_("The catalogue has no such accelerator or kind."), pointer="/selector")
    if edit.meter == Meter.STORAGE_GIB:
        raise QuotaInvalid(reason=_("Shares are counted in devices or instances."), pointer="/meter")
    if edit.overcommit_percent not in OVERCOMMIT_PERCENT:
        raise QuotaInvalid(reason=_("Over-commitment is from 100 to 1,000 percent."), pointer="/overcommit_percent")
    check_window(starts_at=edit.effective_from, ends_at=edit.effective_to, now=now)


def _check_overlap(rows: list[Share], *, starts_at: datetime, ends_at: datetime) -> None:
    for row in rows:
        if row.effective_from and row.effective_to and row.effective_from < ends_at and starts_at < row.effective_to:
            raise QuotaPeriodInvalid(
                reason=_("Another limit already holds in a part of this period."), pointer="/effective_from"
            )


def _find_conflict_below(share: Share) -> Conflict | None:
    """Whether a tenant's limit is above the share, or a sector's above the platform's, as written in this transaction."""
    kinds = read_kinds()
    sectors = [share.sector] if share.sector else list(Sector.values)
    tenants = Tenant.objects.filter(sector__in=sectors).values_list("id", "sector")
    sector_of = dict(tenants)
    below = read_tenant_lines(tenant_ids=sector_of, kinds=kinds)
    shares = read_share_lines(sectors=sectors, kinds=kinds)
    for sector in sectors:
        edited_level = Level.SECTOR if share.sector else Level.PLATFORM
        lines = [line for tenant_id, own in below.items() if sector_of[tenant_id] == sector for line in own]
        for edited in (line for line in shares[sector] if line.level is edited_level):
            conflict = find_conflict(edited=edited, others=[*shares[sector], *lines])
            if conflict is not None:
                return conflict
    return None

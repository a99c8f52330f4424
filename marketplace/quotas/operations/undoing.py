"""Take back what one just did: an edit, a file, a decision. Through the same operations, so that every check holds again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError
from django.utils.translation import gettext_lazy as _

from marketplace.kernel.actors import Actor, savepoint
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.kernel.notices import resolve_notice
from marketplace.quotas.models import (
    ChangeKind,
    Enforcement,
    LimitChange,
    Meter,
    Quota,
    QuotaHold,
    QuotaRequest,
    RequestOrigin,
    RequestStatus,
    ScopeKind,
    SelectorKind,
    Share,
    ShareScope,
)
from marketplace.quotas.operations.deciding import decision_key
from marketplace.quotas.operations.limits import QuotaEdit, apply_edit, revoke_period
from marketplace.quotas.operations.locking import lock_tenants
from marketplace.quotas.operations.path import LEVELS, key_of
from marketplace.quotas.operations.requests import QuotaRequestPending, add_event
from marketplace.quotas.operations.shares import ShareEdit, revoke_share, set_share

UNDO_WINDOW: Final = timedelta(seconds=30)
CHANGES_UNDONE_MAX: Final = 500
"""A larger file is put right by another file: each change is checked against the whole tree again, at about 10 ms."""
REASON: Final = "undone"
DECIDED: Final = (
    RequestStatus.APPROVED, RequestStatus.PARTLY_APPROVED, RequestStatus.REFUSED, RequestStatus.SENT_BACK,
    RequestStatus.AWAITING_SECOND,
)  # fmt: skip


class UndoTooLate(OndolError):
    """More than half a minute has passed, or it was undone already, or there are too many changes; nothing was changed."""

    code = "undo_too_late"
    http_status = 409
    title = _("This cannot be undone any more.")
    remedy = _("It can be undone for 30 seconds, once, by whoever did it. Set the limit anew, or decide anew.")


class UndoOvertaken(OndolError):
    """Somebody changed it since; nothing was changed."""

    code = "undo_overtaken"
    http_status = 409
    title = _("Somebody has changed it again since.")
    remedy = _("Look at the limit as it is now, and set it anew where needed.")


def undo_edits(*, actor: Actor, made_at: datetime, now: datetime) -> int:
    """Take back every change of limits and shares that the actor made at one instant; how many. Audited.

    Raises:
        UndoTooLate, UndoOvertaken: Nothing is written.
        QuotaBelowUse, QuotaAboveParent and their kin: What stood before would not be allowed now; nothing is written.

    Locks as the edits did.
    """
    rows = LimitChange.objects.filter(made_by_id=actor.user_scope, made_at=made_at, undone_at__isnull=True)
    changes = list(rows.order_by("id")[: CHANGES_UNDONE_MAX + 1])
    if not changes or len(changes) > CHANGES_UNDONE_MAX or now - made_at > UNDO_WINDOW:
        raise UndoTooLate
    tenants = {row.tenant_id for row in changes if row.tenant_id is not None}
    if tenants:
        lock_tenants(tenant_ids=tenants)
    quotas = {
        quota.id: quota
        for quota in Quota.objects.select_for_update(no_key=True)
        .filter(id__in=[row.quota_id for row in changes if row.quota_id])
        .order_by("id")
    }
    for row in _in_order(changes, quotas):
        _undo(actor, row, quotas, now=now)
    LimitChange.objects.filter(id__in=[row.id for row in changes], undone_at__isnull=True).update(undone_at=now)
    return len(changes)


def undo_decision(*, actor: Actor, request_id: UUID, now: datetime) -> QuotaRequest:
    """Take back a decision on a request: it waits as before, and a granted limit is what it was. Audited.

    An operator's own proposal, which was its first approval, is withdrawn.

    Raises:
        NotFound: Unknown.
        UndoTooLate, UndoOvertaken: Nothing is written.
        QuotaRequestPending: The organization has asked anew meanwhile.

    Locks the request, then as `undo_edits`.
    """
    request = QuotaRequest.objects.select_for_update(no_key=True).filter(id=request_id).first()
    if request is None:
        raise NotFound
    is_first = request.status == RequestStatus.AWAITING_SECOND
    decided_by = request.first_approved_by_id if is_first else request.decided_by_id
    is_own = actor.user_id is not None and decided_by == actor.user_id and request.status in DECIDED
    if not is_own or now - request.changed_at > UNDO_WINDOW:
        raise UndoTooLate
    if request.status in (RequestStatus.APPROVED, RequestStatus.PARTLY_APPROVED):
        undo_edits(actor=actor, made_at=request.changed_at, now=now)
    resolve_notice(key=decision_key(request), now=now)
    _reopen(request, is_first=is_first, now=now)
    try:
        with savepoint():
            request.save()
    except IntegrityError as error:
        raise QuotaRequestPending from error
    add_event(actor=actor, request=request, kind="undone", text="", limit=None, now=now)
    return request


def _reopen(request: QuotaRequest, *, is_first: bool, now: datetime) -> None:
    has_first = request.first_approved_at is not None and not is_first
    request.status = RequestStatus.AWAITING_SECOND if has_first else RequestStatus.OPEN
    if is_first and request.origin == RequestOrigin.OPERATOR:
        request.status = RequestStatus.WITHDRAWN
    if is_first:
        request.first_approved_by_id, request.first_approved_by_name = None, ""
        request.first_approved_limit, request.first_approved_at = None, None
    request.granted_limit, request.decided_at, request.decided_by_id = None, None, None
    request.decided_by_name, request.decision_reason, request.changed_at = "", "", now


def _in_order(changes: Sequence[LimitChange], quotas: dict[UUID, Quota]) -> list[LimitChange]:
    """What becomes smaller first, from the bottom up; then what grows, from the top down: no step breaks the tree."""

    def place(row: LimitChange) -> tuple[bool, int]:
        quota = quotas.get(row.quota_id) if row.quota_id else None
        is_growing = row.before is not None and (row.after is None or row.before["limit"] > row.after["limit"])
        level = int(LEVELS[ScopeKind(quota.scope_kind)]) if quota else 0
        return is_growing, level if is_growing else -level

    return sorted(changes, key=place)


def _undo(actor: Actor, row: LimitChange, quotas: dict[UUID, Quota], *, now: datetime) -> None:
    if row.share_id is not None:
        _undo_share(actor, row, Share.objects.get(id=row.share_id), now=now)
        return
    quota = quotas.get(row.quota_id) if row.quota_id else None
    if quota is None or quota.updated_at != row.made_at:
        raise UndoOvertaken
    if row.kind == ChangeKind.PERIOD and row.period_id is not None:
        revoke_period(actor=actor, period_id=row.period_id, reason=REASON, now=now)
    elif row.before is None:
        _take_away(actor, quota, now=now)
    else:
        apply_edit(actor=actor, edit=_edit_back(quota, row.before), reason=REASON, now=now)


def _edit_back(quota: Quota, before: dict[str, Any]) -> QuotaEdit:
    return QuotaEdit(
        line=key_of(quota),
        limit=before["limit"],
        enforcement=Enforcement(before["enforcement"]) if "enforcement" in before else None,
        effective_from=_instant(before.get("effective_from")),
        effective_to=_instant(before.get("effective_to")),
    )


def _take_away(actor: Actor, quota: Quota, *, now: datetime) -> None:
    """The line was new: nothing was limited there, and nothing is again."""
    QuotaHold.objects.filter(quota=quota).delete()
    Quota.objects.filter(id=quota.id).delete()
    record_act(
        actor=actor, action="quota.undone", object_type="quo", object_id=quota.id, tenant_id=quota.tenant_id, now=now,
        reason=REASON, changes={"limit": [quota.base_limit, None]},
    )  # fmt: skip


def _undo_share(actor: Actor, row: LimitChange, share: Share, *, now: datetime) -> None:
    if row.kind == ChangeKind.SHARE and (share.updated_at != row.made_at or share.revoked_at is not None):
        raise UndoOvertaken
    if row.before is None:
        revoke_share(actor=actor, share_id=share.id, reason=REASON, now=now)
        return
    edit = ShareEdit(
        scope_kind=ShareScope(share.scope_kind),
        sector=share.sector,
        selector_kind=SelectorKind(share.selector_kind),
        selector=share.selector,
        meter=Meter(share.meter),
        limit=row.before["limit"],
        enforcement=Enforcement(row.before["enforcement"]),
        overcommit_percent=row.before["overcommit_percent"],
        effective_from=_instant(row.before["effective_from"]),
        effective_to=_instant(row.before["effective_to"]),
    )
    set_share(actor=actor, edit=edit, reason=REASON, now=now)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

"""What operators do with quota requests: approve in whole or in part, send back, refuse. And their own large edits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import Forbidden, NotFound, OndolError
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice
from marketplace.quotas.models import (
    Meter,
    Quota,
    QuotaRequest,
    RequestOrigin,
    RequestStatus,
    ScopeKind,
    SelectorKind,
)
from marketplace.quotas.operations.commitment import judge_commitment
from marketplace.quotas.operations.limits import BelowUse, QuotaEdit, apply_edit
from marketplace.quotas.operations.path import LineKey
from marketplace.quotas.operations.requests import QuotaRequestInvalid, add_event, open_request, require_status

PENDING: Final = (RequestStatus.OPEN, RequestStatus.AWAITING_SECOND)


class SecondPersonNeeded(Forbidden):
    """Somebody approves twice, or decides on what they asked for themselves."""

    code = "second_person_needed"
    title = _("Another operator has to approve this; you asked for it or approved it first.")
    remedy = _("Ask a colleague to look at the request.")


class QuotaOvercommitted(OndolError):
    """More would be promised than the share or the stock has; nothing was changed."""

    code = "quota_overcommitted"
    http_status = 409
    title = _("%(promised)s would be promised in total, and %(source)s has %(available)s.")
    remedy = _("Grant less, lower other limits, or raise the share. Stock may be exceeded where that is confirmed.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From which increase a second person is needed; `None` = never."""

    units: int | None
    storage_gib: int | None

    def needs_second(self, *, meter: str, before: int, after: int) -> bool:
        """Whether an increase of a limit is large."""
        threshold = self.storage_gib if meter == Meter.STORAGE_GIB else self.units
        return threshold is not None and after - before >= threshold


def approve_request(
    *,
    actor: Actor,
    request_id: UUID,
    granted_limit: int,
    reason: str,
    thresholds: Thresholds,
    now: datetime,
    may_exceed_stock: bool = False,
) -> QuotaRequest:
    """Grant what was asked, or less. Above the threshold the first approval waits for a second person.

    Raises:
        NotFound: Unknown.
        QuotaRequestSettled: Decided already, or sent back.
        QuotaRequestInvalid: More than was asked, or than the first approval granted.
        SecondPersonNeeded: The actor asked for it or approved it first.
        QuotaOvercommitted: A share would be promised more than allowed, or the stock without `may_exceed_stock`.
        QuotaAboveParent, QuotaPeriodInvalid: As for setting a limit.

    Locks the request, then as `set_quota`.
    """
    request = _lock(request_id, actor=actor, allowed=PENDING)
    if actor.user_id is not None and actor.user_id in (request.asked_by_id, request.first_approved_by_id):
        raise SecondPersonNeeded
    most = request.wanted_limit if request.first_approved_limit is None else request.first_approved_limit
    if not 0 <= granted_limit <= most:
        raise QuotaRequestInvalid(reason=_("Grant at most %(limit)s.") % {"limit": most}, pointer="/limit")
    line = _line(request)
    quota = Quota.objects.filter(**line.fields()).first()
    before = quota.limit if quota else 0
    if request.scope_kind == ScopeKind.TENANT:
        check_commitment(line=line, limit=granted_limit, may_exceed_stock=may_exceed_stock)
    is_first = request.first_approved_at is None
    if is_first and thresholds.needs_second(meter=request.meter, before=before, after=granted_limit):
        return _approve_first(actor=actor, request=request, granted_limit=granted_limit, reason=reason, now=now)
    edit = QuotaEdit(
        line=line, limit=granted_limit, effective_from=request.effective_from, effective_to=request.effective_to,
        below_use=BelowUse.KEEP,
    )  # fmt: skip
    apply_edit(actor=actor, edit=edit, reason=reason, now=now)
    is_whole = granted_limit == request.wanted_limit
    status = RequestStatus.APPROVED if is_whole else RequestStatus.PARTLY_APPROVED
    return _decide(actor, request, status, limit=granted_limit, reason=reason, now=now)


def send_back_request(*, actor: Actor, request_id: UUID, reason: str, now: datetime) -> QuotaRequest:
    """Ask the tenant for more; a first approval is taken back. Audited.

    Raises:
        NotFound, QuotaRequestSettled: As for approving.

    Locks the request.
    """
    request = _lock(request_id, actor=actor, allowed=PENDING)
    request.first_approved_by_id, request.first_approved_by_name = None, ""
    request.first_approved_limit, request.first_approved_at = None, None
    return _decide(actor, request, RequestStatus.SENT_BACK, limit=None, reason=reason, now=now)


def refuse_request(*, actor: Actor, request_id: UUID, reason: str, now: datetime) -> QuotaRequest:
    """Say no, with the reason that the tenant reads. Audited.

    Raises:
        NotFound, QuotaRequestSettled: As for approving.

    Locks the request.
    """
    request = _lock(request_id, actor=actor, allowed=PENDING)
    return _decide(actor, request, RequestStatus.REFUSED, limit=None, reason=reason, now=now)


def edit_or_propose(
    *,
    actor: Actor,
    edit: QuotaEdit,
    reason: str,
    thresholds: Thresholds,
    now: datetime,
    may_exceed_stock: bool = False,
) -> Quota | QuotaRequest:
    """An operator's own edit: done at once, or, above the threshold, put into the inbox for a second person.

    Raises:
        QuotaRequestPending: One for the same limit is pending.
        QuotaOvercommitted: A raise promises more than a share allows, or than the stock has without `may_exceed_stock`.
        QuotaInvalid and its kin: As for setting a limit.

    Locks as `set_quota`.
    """
    quota = Quota.objects.filter(**edit.line.fields()).first()
    if edit.line.scope_kind == ScopeKind.TENANT and (quota is None or edit.limit > quota.limit):
        check_commitment(line=edit.line, limit=edit.limit, may_exceed_stock=may_exceed_stock)
    if quota is None or not thresholds.needs_second(meter=quota.meter, before=quota.limit, after=edit.limit):
        return apply_edit(actor=actor, edit=edit, reason=reason, now=now)
    return propose_edit(actor=actor, edit=edit, quota=quota, reason=reason, now=now)


def propose_edit(*, actor: Actor, edit: QuotaEdit, quota: Quota, reason: str, now: datetime) -> QuotaRequest:
    """Put an operator's own edit into the inbox, approved once.

    Raises:
        QuotaRequestPending: One for the same limit is pending.
    """
    line = edit.line
    request = QuotaRequest(
        tenant_id=line.tenant_id, origin=RequestOrigin.OPERATOR, scope_kind=line.scope_kind, scope_id=line.scope_id,
        within_project_id=line.within_project_id, selector_kind=line.selector_kind, selector=line.selector,
        meter=line.meter, limit_when_asked=quota.limit, wanted_limit=edit.limit, effective_from=edit.effective_from,
        effective_to=edit.effective_to, justification=reason, status=RequestStatus.AWAITING_SECOND,
        asked_by_id=actor.user_id, asked_by_name=actor.name, asked_at=now, first_approved_by_id=actor.user_id,
        first_approved_by_name=actor.name, first_approved_limit=edit.limit, first_approved_at=now, changed_at=now,
    )  # fmt: skip
    return open_request(actor=actor, request=request, papers=(), now=now)


def _lock(request_id: UUID, *, actor: Actor, allowed: tuple[RequestStatus, ...]) -> QuotaRequest:
    if actor.tenant_id is not None:
        raise Forbidden
    request = QuotaRequest.objects.select_for_update(no_key=True).filter(id=request_id).first()
    if request is None:
        raise NotFound
    require_status(request=request, allowed=allowed)
    return request


def _line(request: QuotaRequest) -> LineKey:
    return LineKey(
        tenant_id=request.tenant_id,
        scope_kind=ScopeKind(request.scope_kind),
        scope_id=request.scope_id,
        within_project_id=request.within_project_id,
        selector_kind=SelectorKind(request.selector_kind),
        selector=request.selector,
        meter=Meter(request.meter),
    )


def check_commitment(*, line: LineKey, limit: int, may_exceed_stock: bool) -> None:
    """Refuse an organization's limit with which more would be promised than there is. For staff.

    Raises:
        QuotaOvercommitted: Nothing is written.
    """
    judged = judge_commitment(line=line, limit=limit)
    for item in judged:
        if item.is_exceeded and not (item.is_stock and may_exceed_stock):
            raise QuotaOvercommitted(
                facts={"promised": item.promised, "available": item.available, "source": item.label}, pointer="/limit"
            )


def _approve_first(
    *, actor: Actor, request: QuotaRequest, granted_limit: int, reason: str, now: datetime
) -> QuotaRequest:
    request.first_approved_by_id, request.first_approved_by_name = actor.user_id, actor.name
    request.first_approved_limit, request.first_approved_at = granted_limit, now
    request.status, request.changed_at = RequestStatus.AWAITING_SECOND, now
    request.save()
    add_event(actor=actor, request=request, kind="first_approved", text=reason, limit=granted_limit, now=now)
    return request


def _decide(
    actor: Actor, request: QuotaRequest, status: RequestStatus, *, limit: int | None, reason: str, now: datetime
) -> QuotaRequest:
    request.status, request.changed_at = status, now
    request.decided_by_id, request.decided_by_name, request.decision_reason = actor.user_id, actor.name, reason
    request.granted_limit = limit
    request.decided_at = None if status == RequestStatus.SENT_BACK else now
    request.save()
    add_event(actor=actor, request=request, kind=status.value, text=reason, limit=limit, now=now)
    if request.origin == RequestOrigin.CUSTOMER:
        raise_notice(
            key=decision_key(request), code=f"quota.request_{status.value}", severity=Severity.INFO,
            tenant_id=request.tenant_id, object_type=QuotaRequest.TYPE_PREFIX, object_id=request.id, now=now,
            facts={
                "selector": request.selector or "any", "wanted": request.wanted_limit, "granted": limit or 0, "reason": reason,
            },
        )  # fmt: skip
    return request


def decision_key(request: QuotaRequest) -> str:
    """The key of the notice that tells the tenant of the last decision."""
    return f"quota-request:{request.id}:{request.changed_at.isoformat()}"

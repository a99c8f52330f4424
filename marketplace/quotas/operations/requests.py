"""What a tenant does with its quota requests: ask, change after a return, withdraw."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from django.utils.translation import gettext_lazy as _

from marketplace.kernel.actors import Actor, savepoint
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, OndolError, ValidationFailed
from marketplace.quotas.attachments import ATTACHMENTS_MAX, BYTES_MAX, Paper, media_type_of, plain_name
from marketplace.quotas.models import (
    Quota,
    QuotaAttachment,
    QuotaRequest,
    QuotaRequestEvent,
    RequestOrigin,
    RequestStatus,
    ScopeKind,
)
from marketplace.quotas.operations.limits import LIMIT_MAX, check_window
from marketplace.tenants.access import require_good_standing, require_permission

JUSTIFICATION_CHARACTERS: Final = range(10, 2_001)


class QuotaRequestInvalid(ValidationFailed):
    """A request that cannot be made; nothing was written."""

    code = "quota_request_invalid"


class QuotaRequestPending(OndolError):
    """One for the same limit is still being looked at."""

    code = "quota_request_pending"
    http_status = 409
    title = _("A request for this limit is being looked at already.")
    remedy = _("Wait for the answer, or withdraw it and ask anew.")


class QuotaRequestSettled(OndolError):
    """The request is not in a state in which this can be done."""

    code = "invalid_state"
    http_status = 409
    title = _("The request cannot be changed like this any more: %(status)s.")
    remedy = _("Read the request again; make a new one if more is needed.")


def ask_quota(
    *,
    actor: Actor,
    quota_id: UUID,
    wanted_limit: int,
    justification: str,
    now: datetime,
    effective_from: datetime | None = None,
    effective_to: datetime | None = None,
    papers: Sequence[Paper] = (),
) -> QuotaRequest:
    """Ask the operator for a higher limit of the organization, for good or for a period; audited.

    Raises:
        Forbidden, TenantSuspended: The actor or the organization may not.
        NotFound: No such limit of the organization.
        QuotaRequestInvalid, QuotaPeriodInvalid: Nothing is written.
        QuotaRequestPending: One for the same limit is pending.
    """
    require_permission(actor=actor, permission="quota_requests.write")
    quota = Quota.objects.select_related("tenant").filter(id=quota_id, tenant_id=actor.tenant_scope).first()
    if quota is None or quota.scope_kind != ScopeKind.TENANT:
        raise NotFound(pointer="/quota")
    require_good_standing(tenant=quota.tenant)
    _check(wanted_limit=wanted_limit, present=quota.limit, justification=justification, papers=papers)
    check_window(starts_at=effective_from, ends_at=effective_to, now=now)
    request = QuotaRequest(
        tenant_id=quota.tenant_id, scope_kind=quota.scope_kind, scope_id=quota.scope_id, selector_kind=quota.selector_kind,
        selector=quota.selector, meter=quota.meter, limit_when_asked=quota.limit, wanted_limit=wanted_limit,
        effective_from=effective_from, effective_to=effective_to, justification=justification.strip(),
        asked_by_id=actor.user_id, asked_by_name=actor.name, asked_at=now, changed_at=now,
    )  # fmt: skip
    return open_request(actor=actor, request=request, papers=papers, now=now)


def open_request(*, actor: Actor, request: QuotaRequest, papers: Sequence[Paper], now: datetime) -> QuotaRequest:
    """Write a new request with its papers, its first event and its audit entry.

    Raises:
        QuotaRequestPending: One for the same limit is pending.
    """
    try:
        with savepoint():
            request.save(force_insert=True)
    except IntegrityError as error:
        raise QuotaRequestPending from error
    _attach(request, papers, now=now)
    add_event(
        actor=actor, request=request, kind="asked", text=request.justification, limit=request.wanted_limit, now=now
    )
    return request


def resubmit_request(
    *,
    actor: Actor,
    request_id: UUID,
    wanted_limit: int,
    justification: str,
    papers: Sequence[Paper] = (),
    now: datetime,
) -> QuotaRequest:
    """Send a returned request again, changed; audited.

    Raises:
        NotFound, Forbidden, QuotaRequestInvalid: As for asking.
        QuotaRequestSettled: It was not sent back.

    Locks the request.
    """
    require_permission(actor=actor, permission="quota_requests.write")
    request = _lock_own(actor, request_id, allowed=(RequestStatus.SENT_BACK,))
    _check(
        wanted_limit=wanted_limit, present=request.limit_when_asked or 0, justification=justification, papers=papers,
        papers_before=request.attachments.count(),
    )  # fmt: skip
    request.wanted_limit, request.justification = wanted_limit, justification.strip()
    request.status, request.changed_at = RequestStatus.OPEN, now
    request.save(update_fields=["wanted_limit", "justification", "status", "changed_at"])
    _attach(request, papers, now=now)
    add_event(actor=actor, request=request, kind="changed", text=request.justification, limit=wanted_limit, now=now)
    return request


def withdraw_request(*, actor: Actor, request_id: UUID, now: datetime) -> QuotaRequest:
    """Take a pending request back; audited. Safe to repeat.

    Raises:
        NotFound, Forbidden: As everywhere.
        QuotaRequestSettled: It was decided.

    Locks the request.
    """
    require_permission(actor=actor, permission="quota_requests.write")
    pending = (RequestStatus.OPEN, RequestStatus.SENT_BACK, RequestStatus.AWAITING_SECOND, RequestStatus.WITHDRAWN)
    request = _lock_own(actor, request_id, allowed=pending)
    if request.status == RequestStatus.WITHDRAWN:
        return request
    request.status, request.changed_at = RequestStatus.WITHDRAWN, now
    request.save(update_fields=["status", "changed_at"])
    add_event(actor=actor, request=request, kind="withdrawn", text="", limit=None, now=now)
    return request


def add_event(*, actor: Actor, request: QuotaRequest, kind: str, text: str, limit: int | None, now: datetime) -> None:
    """Append one step of a request's history and its audit entry."""
    QuotaRequestEvent.objects.create(
        tenant_id=request.tenant_id, request=request, kind=kind, actor_name=actor.name, text=text, limit=limit,
        occurred_at=now,
    )  # fmt: skip
    record_act(
        actor=actor, action=f"quota_request.{kind}", object_type="qrq", object_id=request.id, tenant_id=request.tenant_id,
        reason=text, now=now, changes={"limit": [request.limit_when_asked, limit]},
    )  # fmt: skip


def require_status(*, request: QuotaRequest, allowed: Sequence[RequestStatus]) -> None:
    """Refuse what the request's state does not allow.

    Raises:
        QuotaRequestSettled: With the state in words.
    """
    if request.status not in allowed:
        raise QuotaRequestSettled(facts={"status": RequestStatus(request.status).label})


def _lock_own(actor: Actor, request_id: UUID, *, allowed: Sequence[RequestStatus]) -> QuotaRequest:
    rows = QuotaRequest.objects.select_for_update(no_key=True)
    request = rows.filter(id=request_id, tenant_id=actor.tenant_scope, origin=RequestOrigin.CUSTOMER).first()
    if request is None:
        raise NotFound
    require_status(request=request, allowed=allowed)
    return request


def _check(
    *, wanted_limit: int, present: int, justification: str, papers: Sequence[Paper], papers_before: int = 0
) -> None:
    if not present < wanted_limit <= LIMIT_MAX:
        raise QuotaRequestInvalid(
            reason=_("Ask for a limit above the present %(limit)s.") % {"limit": present}, pointer="/limit"
        )
    if len(justification.strip()) not in JUSTIFICATION_CHARACTERS:
        raise QuotaRequestInvalid(reason=_("Say in 10 to 2,000 characters what it is for."), pointer="/justification")
    if papers_before + len(papers) > ATTACHMENTS_MAX:
        raise QuotaRequestInvalid(reason=_("A request has at most 3 attachments."), pointer="/attachments")
    for number, paper in enumerate(papers):
        pointer = f"/attachments/{number}"
        if len(paper.content) > BYTES_MAX:
            raise QuotaRequestInvalid(reason=_("An attachment has at most 5 MiB."), pointer=pointer)
        if media_type_of(paper) is None:
            raise QuotaRequestInvalid(
                reason=_("An attachment is a PDF, PNG, JPEG, HWP, HWPX, DOCX or XLSX file, and is what its name says."),
                pointer=pointer,
            )


def _attach(request: QuotaRequest, papers: Sequence[Paper], *, now: datetime) -> None:
    QuotaAttachment.objects.bulk_create(
        QuotaAttachment(
            tenant_id=request.tenant_id, request=request, name=plain_name(paper.name),
            content_type=media_type_of(paper) or "application/octet-stream", size_bytes=len(paper.content),
            sha256=hashlib.sha256(paper.content).hexdigest(), content=paper.content, added_at=now,
        )
        for paper in papers
    )  # fmt: skip

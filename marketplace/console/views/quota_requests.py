"""The inbox of quota requests: what speaks for and against each, and the decision."""

from typing import Final

from django.conf import settings
from django.http import HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from marketplace.console.page import OperatorPage, operator_page
from marketplace.console.replies import REPLIES, find_reply
from marketplace.journeys.quota_inbox import view_request
from marketplace.kernel import clock
from marketplace.kernel.errors import ValidationFailed
from marketplace.quotas.models import RequestStatus
from marketplace.quotas.operations import UNDO_WINDOW, Thresholds, approve_request, refuse_request, send_back_request
from marketplace.quotas.queries import (
    get_attachment_for_operator,
    get_for_operator,
    list_decided_for_operators,
    list_pending_for_operators,
)

PENDING_SHOWN_MAX: Final = 200
DECIDED_SHOWN_MAX: Final = 20


def read_thresholds() -> Thresholds:
    """From which increase a second person is needed in this installation."""
    return Thresholds(units=settings.QUOTA_SECOND_PERSON_UNITS, storage_gib=settings.QUOTA_SECOND_PERSON_GIB)


@require_GET
@operator_page("quota-requests")
def inbox(page: OperatorPage) -> HttpResponse:
    """What waits, oldest first, and what was decided lately."""
    return page.render(
        "quota_inbox.html",
        title=_("Quota requests"),
        pending=list(list_pending_for_operators()[:PENDING_SHOWN_MAX]),
        decided=list(list_decided_for_operators()[:DECIDED_SHOWN_MAX]),
        now=clock.now(),
    )


@require_GET
@operator_page("quota-requests")
def request_detail(page: OperatorPage, request_id: str) -> HttpResponse:
    """One request with everything that the decision needs; the next and the one before by key."""
    request = get_for_operator(request_id=page.read_id(prefix="qrq", text=request_id))
    order = list(list_pending_for_operators().values_list("id", flat=True)[:PENDING_SHOWN_MAX])
    place = order.index(request.id) if request.id in order else -1
    return page.render(
        "quota_request.html",
        title=_("Quota request"),
        view=view_request(request=request),
        is_pending=request.status in (RequestStatus.OPEN, RequestStatus.AWAITING_SECOND),
        most=request.wanted_limit if request.first_approved_limit is None else request.first_approved_limit,
        before=order[place - 1] if place > 0 else None,
        after=order[place + 1] if 0 <= place < len(order) - 1 else None,
        place=place + 1,
        total=len(order),
        replies=REPLIES,
    )


@require_POST
@operator_page("quota-requests")
def decide(page: OperatorPage, request_id: str) -> HttpResponse:
    """Approve in whole or part, send back or refuse, with a reason."""
    stored = page.read_id(prefix="qrq", text=request_id)
    posted, now = page.request.POST, clock.now()
    reason = (find_reply(posted.get("reply", "")) if not posted.get("reason", "").strip() else "") or page.read_reason()
    match posted.get("decision"):
        case "approve":
            text = posted.get("limit", "")
            if not (text.isascii() and text.isdigit() and len(text) <= 10):
                raise ValidationFailed(reason=_("A limit is a whole number, 0 or more."), pointer="/limit")
            done = approve_request(
                actor=page.actor,
                request_id=stored,
                granted_limit=int(text),
                reason=reason,
                thresholds=read_thresholds(),
                may_exceed_stock=posted.get("may_exceed_stock") == "yes",
                now=now,
            )
        case "send_back":
            done = send_back_request(actor=page.actor, request_id=stored, reason=reason, now=now)
        case "refuse":
            done = refuse_request(actor=page.actor, request_id=stored, reason=reason, now=now)
        case _unknown:
            raise ValidationFailed(reason=_("Choose a decision."), pointer="/decision")
    message = _("%(tenant)s: %(status)s.") % {
        "tenant": done.tenant.name,
        "status": RequestStatus(done.status).label,
    }
    page.offer_undo(what="quota-decision", key=request_id, until=now + UNDO_WINDOW)
    return page.done(message, to="console:quota-inbox")


@require_GET
@operator_page("quota-requests")
def paper(page: OperatorPage, attachment_id: str) -> HttpResponse:
    """A paper, always as a download."""
    found = get_attachment_for_operator(attachment_id=page.read_id(prefix="qat", text=attachment_id))
    disposition = content_disposition_header(as_attachment=True, filename=found.name) or "attachment"
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return HttpResponse(bytes(found.content), content_type=found.content_type, headers=headers)

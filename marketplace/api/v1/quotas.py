"""Quotas with their use, and requests for more."""

import base64
import binascii
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.pagination import PARAMETERS, paginate, whole
from marketplace.api.parsing import (
    BoundedListField,
    PublicIdField,
    StrictInteger,
    StrictSerializer,
    check_query,
    parse_body,
    path_id,
)
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor
from marketplace.kernel.idempotency import Answer
from marketplace.quotas.attachments import ATTACHMENTS_MAX, NAME_CHARACTERS_MAX, Paper
from marketplace.quotas.models import Quota, QuotaRequest
from marketplace.quotas.operations import ask_quota, resubmit_request, withdraw_request
from marketplace.quotas.queries import (
    get_request,
    list_events,
    list_papers,
    list_pending_limits,
    list_quotas,
    list_requests,
)

PREFIXES: Final = {"tenant": "ten", "project": "prj", "member": "usr"}
LIMIT_MAX: Final = 2_147_483_647


class PaperBody(StrictSerializer):
    """A paper with a request."""

    name = serializers.CharField(max_length=NAME_CHARACTERS_MAX)
    content_base64 = serializers.CharField()

    def validate_content_base64(self, value: str) -> bytes:
        """The bytes."""
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise serializers.ValidationError(_("Not base64.")) from error


class AskBody(StrictSerializer):
    """A request for a higher limit of the organization."""

    quota = PublicIdField(prefix="quo")
    limit = StrictInteger(min_value=0, max_value=LIMIT_MAX)
    justification = serializers.CharField(max_length=2_000)
    effective_from = serializers.DateTimeField(required=False, allow_null=True)
    effective_to = serializers.DateTimeField(required=False, allow_null=True)
    attachments = BoundedListField(child=PaperBody(), required=False, max_length=ATTACHMENTS_MAX)


class ActBody(StrictSerializer):
    """What to do with a request."""

    type = serializers.ChoiceField(choices=["withdraw", "resubmit"])
    limit = StrictInteger(min_value=0, max_value=LIMIT_MAX, required=False)
    justification = serializers.CharField(max_length=2_000, required=False)
    attachments = BoundedListField(child=PaperBody(), required=False, max_length=ATTACHMENTS_MAX)


class QuotasView(ResourceView):
    """Quotas."""

    @extend_schema(operation_id="list_quotas", summary="List limits with their use", responses=problems(dict))
    def get(self, request: Request) -> Response:
        """Tenant first, then projects and members; `pending` is the limit that a request asks for."""
        check_query(request, ())

        def read(actor: Actor) -> dict[str, Any]:
            pending = list_pending_limits(actor=actor)
            return whole([_quota(row, pending.get(row.id)) for row in list_quotas(actor=actor)])

        return self.reading(request, "quotas.read", read)


class QuotaRequestsView(ResourceView):
    """Requests for more."""

    @extend_schema(
        operation_id="list_quota_requests",
        summary="List quota requests, newest first",
        parameters=[OpenApiParameter("limit", int), OpenApiParameter("cursor", str)],
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """The organization's own."""
        check_query(request, PARAMETERS)
        return self.reading(
            request, "quotas.read", lambda actor: paginate(request, list_requests(actor=actor), _request)
        )

    @extend_schema(
        operation_id="ask_quota",
        summary="Ask for a higher limit, for good or for a period",
        request=AskBody,
        responses=problems(dict, status=201),
    )
    def post(self, request: Request) -> Response:
        """The operator decides; one request per limit is pending at a time."""
        check_query(request, ())
        body = parse_body(request, AskBody)

        def write(actor: Actor) -> Answer:
            asked = ask_quota(
                actor=actor,
                quota_id=body["quota"],
                wanted_limit=body["limit"],
                justification=body["justification"],
                effective_from=body.get("effective_from"),
                effective_to=body.get("effective_to"),
                papers=_papers(body),
                now=clock.now(),
            )
            return Answer(status=201, body=_whole_request(asked), headers={})

        return self.writing(request, write)


class QuotaRequestView(ResourceView):
    """One request."""

    @extend_schema(
        operation_id="get_quota_request", summary="Show a quota request with its history", responses=problems(dict)
    )
    def get(self, request: Request, request_id: str) -> Response:
        """With its papers' names."""
        check_query(request, ())
        stored = path_id("qrq", request_id)
        return self.reading(
            request, "quotas.read", lambda actor: _whole_request(get_request(actor=actor, request_id=stored))
        )


class QuotaRequestActionsView(ResourceView):
    """What the organization does with its request."""

    @extend_schema(
        operation_id="act_on_quota_request",
        summary="Withdraw a request, or send a returned one again",
        request=ActBody,
        responses=problems(dict),
    )
    def post(self, request: Request, request_id: str) -> Response:
        """Only while it is pending."""
        check_query(request, ())
        body = parse_body(request, ActBody)
        stored = path_id("qrq", request_id)

        def write(actor: Actor) -> Answer:
            if body["type"] == "withdraw":
                changed = withdraw_request(actor=actor, request_id=stored, now=clock.now())
            else:
                changed = resubmit_request(
                    actor=actor,
                    request_id=stored,
                    wanted_limit=body.get("limit", 0),
                    justification=body.get("justification", ""),
                    papers=_papers(body),
                    now=clock.now(),
                )
            return Answer(status=200, body=_whole_request(changed), headers={})

        return self.writing(request, write)


def _papers(body: dict[str, Any]) -> list[Paper]:
    return [Paper(name=item["name"], content=item["content_base64"]) for item in body.get("attachments", [])]


def _quota(row: Quota, pending: int | None) -> dict[str, Any]:
    return {
        "id": public("quo", row.id),
        "scope": row.scope_kind,
        "scope_id": public(PREFIXES[row.scope_kind], row.scope_id),
        "within_project": public("prj", row.within_project_id) if row.within_project_id else None,
        "selector": row.selector or row.selector_kind,
        "meter": row.meter,
        "default_limit": row.base_limit,
        "limit": row.limit,
        "used": row.used,
        "pending": pending,
        "changes_at": instant(row.next_change_at),
        "enforcement": row.enforcement,
    }


def _request(row: QuotaRequest) -> dict[str, Any]:
    return {
        "id": public("qrq", row.id),
        "selector": row.selector or row.selector_kind,
        "meter": row.meter,
        "limit_when_asked": row.limit_when_asked,
        "limit": row.wanted_limit,
        "effective_from": instant(row.effective_from),
        "effective_to": instant(row.effective_to),
        "justification": row.justification,
        "status": row.status,
        "granted_limit": row.granted_limit,
        "decision_reason": row.decision_reason,
        "asked_at": instant(row.asked_at),
        "decided_at": instant(row.decided_at),
    }


def _whole_request(row: QuotaRequest) -> dict[str, Any]:
    return {
        **_request(row),
        "events": [
            {"kind": event.kind, "text": event.text, "limit": event.limit, "at": instant(event.occurred_at)}
            for event in list_events(request=row)
        ],
        "attachments": [
            {"id": public("qat", paper.id), "name": paper.name, "size_bytes": paper.size_bytes, "sha256": paper.sha256}
            for paper in list_papers(request=row)
        ],
    }

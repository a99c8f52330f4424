"""Certificates of sites and providers, and the customer's own assessments."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.pagination import whole
from marketplace.api.parsing import PublicIdField, StrictSerializer, check_query, parse_body, path_id
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView
from marketplace.inventory.models import Certification, CustomerAssessment
from marketplace.inventory.queries import list_assessments, list_certifications
from marketplace.journeys.assess import AssessmentRequest, assess, withdraw
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor
from marketplace.kernel.idempotency import Answer


class AssessmentBody(StrictSerializer):
    """What is recorded."""

    project = PublicIdField(prefix="prj", required=False, allow_null=True, help_text="None = every project.")
    provider = serializers.CharField(max_length=40, help_text="The provider's code.")
    scheme = serializers.CharField(max_length=40)
    committee_on = serializers.DateField()
    reported_on = serializers.DateField(required=False, allow_null=True)
    review_number = serializers.CharField(max_length=80)
    recheck_due_on = serializers.DateField(help_text="The last day, in Seoul, on which it holds for new placements.")


class WithdrawBody(StrictSerializer):
    """What is wanted of it."""

    type = serializers.ChoiceField(choices=["withdraw"])
    reason = serializers.CharField(max_length=1000)


class CertificatesView(ResourceView):
    """Certificates."""

    @extend_schema(
        operation_id="list_certificates", summary="Certificates of sites and providers", responses=problems(dict)
    )
    def get(self, request: Request) -> Response:
        """Those that end first first; revoked ones included."""
        check_query(request, ())
        return self.reading(
            request, "assurance.read", lambda _actor: whole([_certificate(row) for row in list_certifications()])
        )


class AssessmentsView(ResourceView):
    """Own assessments."""

    @extend_schema(
        operation_id="list_assessments",
        summary="Your organization's assessments of providers",
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """Those due first first; withdrawn ones included."""
        check_query(request, ())
        return self.reading(
            request,
            "assurance.read",
            lambda actor: whole([_assessment(row) for row in list_assessments(actor=actor)]),
        )

    @extend_schema(
        operation_id="record_assessment",
        summary="Record your organization's assessment of a provider",
        request=AssessmentBody,
        parameters=[OpenApiParameter("Idempotency-Key", str, "header")],
        responses=problems(dict, status=201),
    )
    def post(self, request: Request) -> Response:
        """It holds from now on; requests that waited for it are looked at at once. Papers are handed in on the portal."""
        check_query(request, ())
        body = parse_body(request, AssessmentBody)
        wanted = AssessmentRequest(
            project_id=body.get("project"),
            provider=body["provider"],
            scheme=body["scheme"],
            committee_on=body["committee_on"],
            reported_on=body.get("reported_on"),
            review_number=body["review_number"],
            recheck_due_on=body["recheck_due_on"],
        )

        def write(actor: Actor) -> Answer:
            made = assess(actor=actor, request=wanted, now=clock.now())
            return Answer(status=201, body=_read(actor, made), headers={})

        return self.writing(request, write)


class AssessmentActionsView(ResourceView):
    """What is wanted of an assessment."""

    @extend_schema(
        operation_id="act_on_assessment",
        summary="Withdraw an assessment",
        request=WithdrawBody,
        responses=problems(dict),
    )
    def post(self, request: Request, assessment_id: str) -> Response:
        """From now on nothing new is placed on it; running instances are left alone."""
        check_query(request, ())
        body = parse_body(request, WithdrawBody)

        def write(actor: Actor) -> Answer:
            wanted = path_id("asm", assessment_id)
            found = withdraw(actor=actor, assessment_id=wanted, reason=body["reason"], now=clock.now())
            return Answer(status=200, body=_read(actor, found), headers={})

        return self.writing(request, write)


def _read(actor: Actor, row: CustomerAssessment) -> dict[str, Any]:
    return _assessment(list_assessments(actor=actor).get(id=row.id))


def _certificate(row: Certification) -> dict[str, Any]:
    return {
        "id": public("crt", row.id),
        "scheme": row.scheme.code,
        "level": row.level,
        "issuer": row.issuer,
        "document_number": row.document_number,
        "site": row.site.code if row.site else None,
        "provider": row.provider.code if row.provider else None,
        "valid_from": instant(row.valid_from),
        "valid_to": instant(row.valid_to),
        "revoked_at": instant(row.revoked_at),
    }


def _assessment(row: CustomerAssessment) -> dict[str, Any]:
    return {
        "id": public("asm", row.id),
        "project": public("prj", row.project_id),
        "provider": row.provider.code,
        "scheme": row.scheme.code,
        "committee_on": row.committee_on.isoformat(),
        "reported_on": row.reported_on.isoformat() if row.reported_on else None,
        "review_number": row.review_number,
        "valid_from": instant(row.valid_from),
        "recheck_due_at": instant(row.recheck_due_at),
        "withdrawn_at": instant(row.withdrawn_at),
        "recorded_by": row.recorded_by,
    }

"""Evidence packs and the keys that sign them."""

from typing import Any, Final

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.pagination import parse_instant, whole
from marketplace.api.parsing import check_query, path_id
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView, actor_of
from marketplace.journeys.evidence import EvidencePack, build_evidence
from marketplace.journeys.evidence_document import render_evidence
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.models import SigningKey
from marketplace.kernel.signing import list_signing_keys

FORMATS: Final = ("json", "pdf")


class EvidenceView(ResourceView):
    """Why an instance ran where it ran."""

    @extend_schema(
        operation_id="get_evidence",
        summary="The signed evidence of where an instance ran and why, for a period",
        parameters=[
            OpenApiParameter("from", str, description="Beginning of the period, RFC 3339; default: the rent."),
            OpenApiParameter("to", str, description="End of the period, exclusive; default: now."),
            OpenApiParameter(
                "format", str, enum=list(FORMATS), description="Default json; pdf has the same for people."
            ),
        ],
        responses={**problems(dict), (200, "application/pdf"): bytes},
    )
    def get(self, request: Request, instance_id: str) -> Response | HttpResponse:
        """From stored data alone; `deploy/verify_evidence.py` checks the JSON and decides again. Needs `audit.read`."""
        check_query(request, ("from", "to", "format"))
        form = request.query_params.get("format", "json")
        if form not in FORMATS:
            raise ValidationFailed(reason=_("format is json or pdf."), pointer="?format")
        period = [parse_instant(request, name) for name in ("from", "to")]

        def read(actor: Actor) -> EvidencePack:
            return build_evidence(
                actor=actor,
                instance_id=path_id("ins", instance_id),
                period_from=period[0],
                period_to=period[1],
                now=clock.now(),
            )

        actor = actor_of(request)
        with as_actor(actor):
            pack = read(actor)
            content = render_evidence(pack) if form == "pdf" else None
        headers = {"Content-Disposition": f'attachment; filename="{pack.file_stem}.{form}"'}
        if content is None:
            return Response(pack.content, headers=headers)
        return HttpResponse(content, content_type="application/pdf", headers=headers)


class SigningKeysView(ResourceView):
    """Public keys."""

    @extend_schema(
        operation_id="list_signing_keys",
        summary="The public keys of this installation, for checking evidence apart from the pack",
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """Newest first, retired ones included."""
        check_query(request, ())
        return self.reading(request, "instances.read", lambda _actor: whole([_key(row) for row in list_signing_keys()]))


def _key(row: SigningKey) -> dict[str, Any]:
    return {
        "id": public("sgk", row.id),
        "name": row.name,
        "suite": row.suite,
        "public_key_pem": row.public_key_pem,
        "created_at": instant(row.created_at),
        "retired_at": instant(row.retired_at),
    }

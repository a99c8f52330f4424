"""The tenant's own: projects and API keys."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.pagination import PARAMETERS, paginate, whole
from marketplace.api.parsing import BoundedListField, PublicIdField, StrictSerializer, check_query, parse_body, path_id
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor
from marketplace.kernel.idempotency import Answer
from marketplace.tenants.access import get_project
from marketplace.tenants.api_keys import issue_api_key, revoke_api_key
from marketplace.tenants.models import ApiKey, Project
from marketplace.tenants.permissions import PERMISSIONS
from marketplace.tenants.queries import list_api_keys, list_projects


class IssueBody(StrictSerializer):
    """A new API key."""

    project = PublicIdField(prefix="prj")
    name = serializers.CharField(max_length=100)
    scopes = BoundedListField(child=serializers.ChoiceField(choices=sorted(PERMISSIONS)), max_length=50)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class ProjectsView(ResourceView):
    """Projects."""

    @extend_schema(
        operation_id="list_projects", summary="List projects that the caller may see", responses=problems(dict)
    )
    def get(self, request: Request) -> Response:
        """By name."""
        check_query(request, ())
        return self.reading(
            request, "projects.read", lambda actor: whole([_project(row) for row in list_projects(actor=actor)])
        )


class ApiKeysView(ResourceView):
    """API keys."""

    @extend_schema(
        operation_id="list_api_keys",
        summary="List API keys, newest first",
        parameters=[OpenApiParameter("limit", int), OpenApiParameter("cursor", str)],
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """Never with the secret."""
        check_query(request, PARAMETERS)
        return self.reading(
            request, "api_keys.read", lambda actor: paginate(request, list_api_keys(actor=actor), _api_key)
        )

    @extend_schema(
        operation_id="issue_api_key",
        summary="Issue an API key; the secret is shown once",
        request=IssueBody,
        responses=problems(dict, status=201),
    )
    def post(self, request: Request) -> Response:
        """A replay answers with `secret: null`: revoke the key and issue another if the answer was lost."""
        check_query(request, ())
        body = parse_body(request, IssueBody)

        def write(actor: Actor) -> Answer:
            issued = issue_api_key(
                actor=actor,
                project=get_project(actor=actor, project_id=body["project"]),
                name=body["name"],
                scopes=body["scopes"],
                expires_at=body.get("expires_at"),
                now=clock.now(),
            )
            return Answer(status=201, body={**_api_key(issued.api_key), "secret": issued.secret}, headers={})

        return self.writing(request, write, without_secrets=lambda answer: {**answer, "secret": None})


class ApiKeyView(ResourceView):
    """One API key."""

    @extend_schema(operation_id="revoke_api_key", summary="Revoke an API key", responses=problems(dict))
    def delete(self, request: Request, api_key_id: str) -> Response:
        """Effective on the next request."""
        check_query(request, ())

        def write(actor: Actor) -> Answer:
            api_key = revoke_api_key(actor=actor, api_key_id=path_id("key", api_key_id), now=clock.now())
            return Answer(status=200, body=_api_key(api_key), headers={})

        return self.writing(request, write)


def _project(row: Project) -> dict[str, Any]:
    return {
        "id": public("prj", row.id),
        "name": row.name,
        "slug": row.slug,
        "data_classes": row.data_classes,
        "cost_centre": row.cost_centre,
        "billing_profile": public("bil", row.billing_profile_id),
        "created_at": instant(row.created_at),
    }


def _api_key(row: ApiKey) -> dict[str, Any]:
    return {
        "id": public("key", row.id),
        "name": row.name,
        "prefix": f"ondol_{row.prefix}",
        "project": public("prj", row.project_id),
        "scopes": row.scopes,
        "created_at": instant(row.created_at),
        "expires_at": instant(row.expires_at),
        "revoked_at": instant(row.revoked_at),
        "last_used_at": instant(row.last_used_at),
    }

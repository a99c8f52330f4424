"""Usage of the whole organization, by its three kinds."""

from typing import Any, Final, TypeVar
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from billing.metering.meters import Meter
from billing.models import UsageInterval, UsageKind
from billing.usage_file import write_usage
from billing.usage_queries import UsageFilter, cut_part, iterate_parts, list_intervals
from marketplace.api.pagination import PARAMETERS, paginate, parse_instant
from marketplace.api.parsing import check_query, path_id
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.v1.instance_rendering import render_usage
from marketplace.api.views import ResourceView, actor_of
from marketplace.instances.queries import get_instance
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.errors import ValidationFailed
from marketplace.tenants.access import get_project

FILTERS: Final = ("project", "instance", "kind", "meter", "since", "until", "format")
Choice = TypeVar("Choice", UsageKind, Meter)


class UsageView(ResourceView):
    """Usage."""

    @extend_schema(
        operation_id="list_usage",
        summary="Usage intervals of the organization: metered, excused and unknown; newest first, or all of them as CSV",
        parameters=[
            OpenApiParameter("project", str),
            OpenApiParameter("instance", str),
            OpenApiParameter("kind", str, enum=list(UsageKind.values)),
            OpenApiParameter("meter", str, enum=[meter.value for meter in Meter]),
            OpenApiParameter("since", str, description="Instant; intervals that end later, at least partly."),
            OpenApiParameter("until", str, description="Instant, exclusive."),
            OpenApiParameter(
                "format", str, enum=["json", "csv"], description="CSV has at most 50,000 rows, oldest first."
            ),
            OpenApiParameter("limit", int),
            OpenApiParameter("cursor", str),
        ],
        responses=problems(dict),
    )
    def get(self, request: Request) -> HttpResponseBase:
        """`seconds` and `amount` are of the part within [since, until), up to now while the interval goes on."""
        check_query(request, (*FILTERS, *PARAMETERS))
        form = request.query_params.get("format", "json")
        if form not in ("json", "csv"):
            raise ValidationFailed(reason=_("format is json or csv."), pointer="?format")
        if form == "csv":
            return _file(request)
        now = clock.now()

        def read(actor: Actor) -> dict[str, Any]:
            wanted = _filter(request, actor)

            def render(row: UsageInterval) -> dict[str, Any]:
                part = cut_part(row, since=wanted.since, until=wanted.until, now=now)
                return {
                    **render_usage(row),
                    "project": public("prj", row.project_id),
                    "instance": public("ins", row.instance_id),
                    "seconds": part.seconds,
                    "amount": part.amount,
                    "amount_unit": part.amount_unit,
                }

            page = paginate(request, list_intervals(actor=actor, wanted=wanted), render)
            return {**page, "as_of": instant(now)}

        return self.reading(request, "usage.read", read)


def _file(request: Request) -> HttpResponse:
    actor = actor_of(request)
    with as_actor(actor):
        text = write_usage(iterate_parts(actor=actor, wanted=_filter(request, actor), now=clock.now()))
    headers = {"Content-Disposition": 'attachment; filename="usage.csv"', "Cache-Control": "no-store"}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


def _filter(request: Request, actor: Actor) -> UsageFilter:
    since, until = parse_instant(request, "since"), parse_instant(request, "until")
    if since is not None and until is not None and until <= since:
        raise ValidationFailed(reason=_("The time ends after it begins."), pointer="?until")
    return UsageFilter(
        since=since,
        until=until,
        kind=_choice(request, "kind", UsageKind),
        meter=_choice(request, "meter", Meter),
        project_id=_project(request, actor),
        instance_id=_instance(request, actor),
    )


def _choice(request: Request, parameter: str, choices: type[Choice]) -> Choice | None:
    text = request.query_params.get(parameter)
    if text is None:
        return None
    try:
        return choices(text)
    except ValueError as error:
        known = ", ".join(choice.value for choice in choices)
        raise ValidationFailed(reason=_("One of: %(known)s.") % {"known": known}, pointer=f"?{parameter}") from error


def _project(request: Request, actor: Actor) -> UUID | None:
    text = request.query_params.get("project")
    return None if text is None else get_project(actor=actor, project_id=path_id("prj", text)).id


def _instance(request: Request, actor: Actor) -> UUID | None:
    text = request.query_params.get("instance")
    return None if text is None else get_instance(actor=actor, instance_id=path_id("ins", text)).id

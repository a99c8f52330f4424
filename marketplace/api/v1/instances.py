"""Instances: rent, look, act, and why."""

from functools import partial
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.costs import read_running_cost
from billing.queries import list_usage
from billing.rating import Plan
from marketplace.api.pagination import PARAMETERS, WINDOW_PARAMETERS, created_window, paginate_read, whole
from marketplace.api.parsing import (
    BoundedListField,
    PublicIdField,
    StrictInteger,
    StrictSerializer,
    VersionsField,
    WonField,
    check_query,
    parse_body,
    path_id,
)
from marketplace.api.schema import problems
from marketplace.api.v1.instance_rendering import (
    PRIORITIES,
    render_decision,
    render_diagnosis,
    render_instance,
    render_summary,
    render_transition,
    render_usage,
)
from marketplace.api.views import ResourceView
from marketplace.instances.models import InstanceKind
from marketplace.instances.operations import InstanceSpec
from marketplace.instances.queries import get_instance, get_summary, list_decisions, list_summaries, list_transitions
from marketplace.instances.states import Action, State
from marketplace.journeys.change import change
from marketplace.journeys.diagnose import diagnose
from marketplace.journeys.rent import RentRequest, rent
from marketplace.journeys.stop import request_action
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.idempotency import Answer


class RentBody(StrictSerializer):
    """What is asked for."""

    project = PublicIdField(prefix="prj")
    name = serializers.CharField(max_length=63)
    kind = serializers.ChoiceField(choices=InstanceKind.choices, default=InstanceKind.INTERACTIVE.value)
    accelerators = BoundedListField(child=serializers.CharField(max_length=60), max_length=20, default=list)
    devices = StrictInteger(help_text="On each node.")
    nodes = StrictInteger(default=1, help_text="More than 1 is a gang: all nodes of one cluster at once, or none.")
    image = serializers.CharField(max_length=300)
    command = BoundedListField(
        child=serializers.CharField(max_length=4096, trim_whitespace=False, allow_blank=True),
        max_length=100,
        default=list,
    )
    environment = serializers.DictField(
        child=serializers.CharField(max_length=4096, trim_whitespace=False, allow_blank=True), default=dict
    )
    ssh_public_keys = BoundedListField(child=serializers.CharField(max_length=8192), max_length=20, default=list)
    offers = BoundedListField(child=PublicIdField(prefix="off"), max_length=50, default=list)
    price_versions = BoundedListField(child=PublicIdField(prefix="prc"), max_length=50, default=list)
    max_price = WonField(required=False, allow_null=True, help_text="Won per device-hour, VAT apart.")
    plan = serializers.ChoiceField(
        choices=[plan.value for plan in Plan], default=Plan.ON_DEMAND.value, help_text="As offered by a quote."
    )
    versions = VersionsField()
    max_duration_s = StrictInteger(required=False, allow_null=True)
    max_wait_s = StrictInteger(required=False, allow_null=True)
    priority = serializers.ChoiceField(
        choices=list(PRIORITIES.values()),
        default="normal",
        help_text="Among your organization's own waiting requests; it gains nothing over other organizations.",
    )


class ActionBody(StrictSerializer):
    """What is wanted of it."""

    type = serializers.ChoiceField(choices=[(action.value, action.name) for action in Action])


class ChangeBody(StrictSerializer):
    """What may be changed."""

    name = serializers.CharField(max_length=63, required=False)
    deletion_protection = serializers.ChoiceField(choices=["on", "off"], required=False)


class InstancesView(ResourceView):
    """Rent and list."""

    @extend_schema(
        operation_id="list_instances",
        summary="List instances, newest first",
        parameters=[
            OpenApiParameter("limit", int, description="1 to 100, default 20."),
            OpenApiParameter("cursor", str),
            OpenApiParameter("state", str, description="States, comma separated."),
            OpenApiParameter("created_at[gte]", str, description="Rented at or after this instant, RFC 3339."),
            OpenApiParameter("created_at[lt]", str, description="Rented before this instant, RFC 3339."),
        ],
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """One page."""
        check_query(request, (*PARAMETERS, *WINDOW_PARAMETERS, "state"))
        states = _states(request)
        created_from, created_before = created_window(request)

        def read(actor: Actor) -> dict[str, Any]:
            find = partial(
                list_summaries, actor=actor, states=states, created_from=created_from, created_before=created_before
            )
            return paginate_read(request, find, render_summary, identify=lambda row: row.id)

        return self.reading(request, "instances.read", read)

    @extend_schema(
        operation_id="create_instance",
        summary="Rent devices; answers at once with a queued instance",
        request=RentBody,
        parameters=[
            OpenApiParameter("dry_run", str, enum=["true", "false"]),
            OpenApiParameter("Idempotency-Key", str, "header"),
        ],
        responses=problems(dict, status=201),
    )
    def post(self, request: Request) -> Response:
        """Never looks at nodes; the admitter places it within about a second."""
        check_query(request, ("dry_run",))
        wanted = _rent_request(parse_body(request, RentBody))

        def write(actor: Actor) -> Answer:
            instance = rent(actor=actor, request=wanted, now=clock.now())
            body = render_instance(get_summary(actor=actor, instance_id=instance.id))
            return Answer(status=201, body=body, headers={"Location": f"/api/v1/instances/{body['id']}"})

        return self.writing(request, write, can_dry_run=True)


class InstanceView(ResourceView):
    """One instance."""

    @extend_schema(operation_id="get_instance", summary="Read an instance", responses=problems(dict))
    def get(self, request: Request, instance_id: str) -> Response:
        """With conditions, allowed actions, place, price and cost so far."""
        check_query(request, ())

        def read(actor: Actor) -> dict[str, Any]:
            wanted = path_id("ins", instance_id)
            instance = get_instance(actor=actor, instance_id=wanted)
            cost = read_running_cost(actor=actor, instance=instance, now=clock.now())
            shown = render_instance(get_summary(actor=actor, instance_id=wanted))
            return {**shown, "cost_so_far": str(cost.won), "device_seconds": cost.device_seconds}

        response = self.reading(request, "instances.read", read)
        response["ETag"] = f'"{response.data["revision"]}"'
        return response

    @extend_schema(
        operation_id="change_instance", summary="Rename or protect", request=ChangeBody, responses=problems(dict)
    )
    def patch(self, request: Request, instance_id: str) -> Response:
        """With If-Match the change is refused (412) when somebody else changed it meanwhile."""
        check_query(request, ())
        body = parse_body(request, ChangeBody)
        protection = body.get("deletion_protection")

        def write(actor: Actor) -> Answer:
            instance = change(
                actor=actor,
                instance_id=path_id("ins", instance_id),
                name=body.get("name"),
                is_deletion_protected=None if protection is None else protection == "on",
                if_revision=_if_match(request),
                now=clock.now(),
            )
            return Answer(
                status=200, body=render_instance(get_summary(actor=actor, instance_id=instance.id)), headers={}
            )

        return self.writing(request, write)

    @extend_schema(
        operation_id="end_instance", summary="End an instance for good", responses=problems(dict, status=202)
    )
    def delete(self, request: Request, instance_id: str) -> Response:
        """The same as the action `end`."""
        check_query(request, ())
        return self.writing(request, lambda actor: _act(actor, instance_id, Action.END))


class ActionsView(ResourceView):
    """What a customer wants of an instance."""

    @extend_schema(
        operation_id="act_on_instance",
        summary="Start, stop or end",
        request=ActionBody,
        responses=problems(dict, status=202),
    )
    def post(self, request: Request, instance_id: str) -> Response:
        """Accepted; the pods follow. Metering ends when a stop or end is accepted."""
        check_query(request, ())
        action = Action(parse_body(request, ActionBody)["type"])
        return self.writing(request, lambda actor: _act(actor, instance_id, action))


class PlacementView(ResourceView):
    """Why it runs where it runs."""

    @extend_schema(
        operation_id="get_placement",
        summary="The latest placement decision with every candidate",
        responses=problems(dict),
    )
    def get(self, request: Request, instance_id: str) -> Response:
        """Decision, rules and certificates relied on, and every rejected candidate with its rule."""
        check_query(request, ())

        def read(actor: Actor) -> dict[str, Any]:
            instance = get_instance(actor=actor, instance_id=path_id("ins", instance_id))
            decisions = list(list_decisions(actor=actor, instance_id=instance.id)[:10])
            if not decisions:
                return {"decision": None, "earlier": []}
            return {
                "decision": render_decision(decisions[0]),
                "earlier": [render_decision(row) for row in decisions[1:]],
            }

        return self.reading(request, "instances.read", read)


class DiagnosisView(ResourceView):
    """Why it waits, or what happened."""

    @extend_schema(
        operation_id="get_diagnosis", summary="Reasons, queue position and remedies", responses=problems(dict)
    )
    def get(self, request: Request, instance_id: str) -> Response:
        """In the language of Accept-Language."""
        check_query(request, ())
        wanted = path_id("ins", instance_id)
        return self.reading(
            request, "instances.read", lambda actor: render_diagnosis(diagnose(actor=actor, instance_id=wanted))
        )


class InstanceEventsView(ResourceView):
    """What happened to it."""

    @extend_schema(operation_id="list_instance_events", summary="Every move of an instance", responses=problems(dict))
    def get(self, request: Request, instance_id: str) -> Response:
        """Oldest first."""
        check_query(request, ())

        def read(actor: Actor) -> dict[str, Any]:
            instance = get_instance(actor=actor, instance_id=path_id("ins", instance_id))
            rows = list_transitions(actor=actor, instance_id=instance.id)
            return whole([render_transition(row) for row in rows])

        return self.reading(request, "instances.read", read)


class InstanceUsageView(ResourceView):
    """How long it ran, to the second."""

    @extend_schema(
        operation_id="list_instance_usage", summary="Usage intervals of an instance", responses=problems(dict)
    )
    def get(self, request: Request, instance_id: str) -> Response:
        """Oldest first; the last one may be open."""
        check_query(request, ())

        def read(actor: Actor) -> dict[str, Any]:
            instance = get_instance(actor=actor, instance_id=path_id("ins", instance_id))
            return whole([render_usage(row) for row in list_usage(actor=actor, instance_id=instance.id)])

        return self.reading(request, "usage.read", read)


def _act(actor: Actor, instance_id: str, action: Action) -> Answer:
    wanted = path_id("ins", instance_id)
    get_instance(actor=actor, instance_id=wanted)
    instance = request_action(actor=actor, instance_id=wanted, action=action, now=clock.now())
    return Answer(status=202, body=render_instance(get_summary(actor=actor, instance_id=instance.id)), headers={})


def _states(request: Request) -> list[str]:
    text = request.query_params.get("state", "")
    wanted = [item for item in text.split(",") if item]
    known = {state.value for state in State}
    unknown = [item for item in wanted if item not in known]
    if unknown:
        raise ValidationFailed(reason=_("There is no such state."), pointer="?state")
    return wanted


def _if_match(request: Request) -> int | None:
    text = request.headers.get("If-Match")
    if text is None:
        return None
    bare = text.strip().strip('"')
    return int(bare) if bare.isascii() and bare.isdigit() else -1


def _rent_request(body: dict[str, Any]) -> RentRequest:
    spec = InstanceSpec(
        name=body["name"],
        kind=body["kind"],
        accelerators=body["accelerators"],
        devices=body["devices"],
        nodes=body["nodes"],
        image=body["image"],
        command=body["command"],
        environment=body["environment"],
        ssh_public_keys=body["ssh_public_keys"],
        offer_ids=body["offers"],
        max_price_micros=body.get("max_price"),
        max_duration_s=body.get("max_duration_s"),
        max_wait_s=body.get("max_wait_s"),
        priority=next(value for value, name in PRIORITIES.items() if name == body["priority"]),
        versions=body["versions"],
    )
    return RentRequest(
        project_id=body["project"], spec=spec, price_version_ids=body["price_versions"], plan=body["plan"]
    )

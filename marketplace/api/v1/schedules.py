"""What the clock does to an instance, and what a stop would do."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.pagination import whole
from marketplace.api.parsing import BoundedListField, StrictInteger, StrictSerializer, check_query, parse_body, path_id
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView
from marketplace.instances.models import Schedule
from marketplace.instances.operations import ScheduleSpec
from marketplace.instances.queries import get_instance
from marketplace.instances.schedules import ScheduleAction
from marketplace.instances.states import Action
from marketplace.journeys.preview_stop import StopPreview, preview_stop
from marketplace.journeys.schedule import add_schedule, drop_schedule, list_schedules
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.idempotency import Answer
from marketplace.kernel.money import CURRENCY, won_text_from_micros

TIME_ZONE = "Asia/Seoul"


class ScheduleBody(StrictSerializer):
    """When to do what."""

    action = serializers.ChoiceField(choices=[action.value for action in ScheduleAction])
    at = serializers.TimeField(format="%H:%M", input_formats=["%H:%M"], help_text="Wall-clock time in Seoul, 24 hours.")
    weekdays = BoundedListField(
        child=StrictInteger(min_value=1, max_value=7), max_length=7, default=list, help_text="1 = Monday to 7 = Sunday."
    )
    date = serializers.DateField(required=False, allow_null=True, help_text="Once, instead of weekdays.")


class InstanceSchedulesView(ResourceView):
    """The schedules of an instance."""

    @extend_schema(operation_id="list_schedules", summary="List an instance's schedules", responses=problems(dict))
    def get(self, request: Request, instance_id: str) -> Response:
        """The next to act first."""
        check_query(request, ())

        def read(actor: Actor) -> dict[str, Any]:
            instance = get_instance(actor=actor, instance_id=path_id("ins", instance_id))
            return whole([render_schedule(row) for row in list_schedules(actor=actor, instance_id=instance.id)])

        return self.reading(request, "instances.read", read)

    @extend_schema(
        operation_id="create_schedule",
        summary="Start or stop an instance at a time of day in Seoul",
        request=ScheduleBody,
        responses=problems(dict, status=201),
    )
    def post(self, request: Request, instance_id: str) -> Response:
        """A start takes quota when it comes; refused, it is tried again for an hour, and the diagnosis says why."""
        check_query(request, ())
        body = parse_body(request, ScheduleBody)
        spec = ScheduleSpec(
            action=ScheduleAction(body["action"]), at=body["at"], weekdays=body["weekdays"], on=body.get("date")
        )

        def write(actor: Actor) -> Answer:
            wanted = path_id("ins", instance_id)
            schedule = add_schedule(actor=actor, instance_id=wanted, spec=spec, now=clock.now())
            return Answer(status=201, body=render_schedule(schedule), headers={})

        return self.writing(request, write)


class InstanceScheduleView(ResourceView):
    """One schedule."""

    @extend_schema(operation_id="delete_schedule", summary="Remove a schedule", responses=problems(dict))
    def delete(self, request: Request, instance_id: str, schedule_id: str) -> Response:
        """It does not act again."""
        check_query(request, ())

        def write(actor: Actor) -> Answer:
            drop_schedule(
                actor=actor,
                instance_id=path_id("ins", instance_id),
                schedule_id=path_id("sch", schedule_id),
                now=clock.now(),
            )
            return Answer(status=200, body={"id": schedule_id, "deleted": "yes"}, headers={})

        return self.writing(request, write)


class StopPreviewView(ResourceView):
    """What a stop or an end would do."""

    @extend_schema(
        operation_id="preview_action",
        summary="What a stop or an end does: what ends, what still bills, whether a restart is certain",
        parameters=[OpenApiParameter("type", str, enum=["stop", "end"])],
        responses=problems(dict),
    )
    def get(self, request: Request, instance_id: str) -> Response:
        """Writes nothing."""
        check_query(request, ("type",))
        wanted = request.query_params.get("type", "")
        if wanted not in (Action.STOP, Action.END):
            raise ValidationFailed(reason=_("type is stop or end."), pointer="?type")

        def read(actor: Actor) -> dict[str, Any]:
            found = preview_stop(
                actor=actor, instance_id=path_id("ins", instance_id), action=Action(wanted), now=clock.now()
            )
            return render_preview(found)

        return self.reading(request, "instances.read", read)


def render_schedule(row: Schedule) -> dict[str, Any]:
    """A schedule."""
    return {
        "id": public("sch", row.id),
        "instance": public("ins", row.instance_id),
        "action": row.action,
        "at": f"{row.at:%H:%M}",
        "time_zone": TIME_ZONE,
        "weekdays": row.weekdays,
        "date": row.on.isoformat() if row.on else None,
        "next_at": instant(row.next_at),
        "last_at": instant(row.last_at),
        "last_outcome": row.last_outcome or None,
        "created_by": row.created_by_name,
    }


def render_preview(found: StopPreview) -> dict[str, Any]:
    """What a stop or an end does."""
    return {
        "type": found.action.value,
        "metering": "ends_when_accepted" if found.meter_ends else "does_not_run",
        "still_billed": list(found.still_billed),
        "devices_returned": found.devices_returned,
        "devices_held": 0,
        "container_data": "lost" if found.is_data_lost else "none",
        "restart": {
            "certainty": "not_certain" if found.can_restart else "impossible",
            "room_now": "yes" if found.has_room_elsewhere else "no",
            "waiting_now": found.waiting,
            "prices_per_device_hour": [won_text_from_micros(price) for price in found.prices_micros],
            "currency": CURRENCY,
            "next_scheduled_start": instant(found.next_start_at),
        },
    }

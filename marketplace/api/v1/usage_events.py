"""What sites that meter themselves tell, as CloudEvents 1.0."""

from typing import Any, Final

import orjson
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from billing.metering.events import REPORTED, TELLABLE, WITHDRAWN
from billing.usage_events import accept_events
from marketplace.api.authentication import ProviderKeyAuthentication
from marketplace.api.errors import MalformedBody, MediaTypeUnsupported
from marketplace.api.parsing import check_query
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView, actor_of
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor

SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"


class CloudEventsExpected(MediaTypeUnsupported):
    """The body is of another type than CloudEvents in JSON."""

    title = _("The request body must be CloudEvents in JSON.")
    remedy = _(
        "Set the header Content-Type: application/cloudevents-batch+json and send an array, or"
        " application/cloudevents+json and send one event."
    )


class _CloudEventParser(BaseParser):
    """Only says what the route takes; the body is read as it came."""

    media_type = SINGLE


class _CloudEventsParser(_CloudEventParser):
    """As above, for an array."""

    media_type = BATCH


class ToldBody(serializers.Serializer[Any]):
    """`data` of an event that tells usage."""

    meter = serializers.ChoiceField(choices=sorted(meter.value for meter in TELLABLE))
    rank = serializers.IntegerField(default=0, help_text="Which node of a gang.")
    quantity = serializers.IntegerField(
        help_text="Devices, GiB or addresses that held over the interval; bytes for egress."
    )
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(help_text="Exclusive.")
    kind = serializers.ChoiceField(choices=["metered", "excused"], default="metered")
    reason = serializers.CharField(required=False, help_text="Why it is excused, e.g. maintenance.")


class CloudEventBody(serializers.Serializer[Any]):
    """One CloudEvent; together `source` and `id` name it for good."""

    specversion = serializers.ChoiceField(choices=["1.0"])
    type = serializers.ChoiceField(choices=[REPORTED, WITHDRAWN])
    source = serializers.CharField(max_length=200)  # type: ignore[assignment] # as `data`
    id = serializers.CharField(max_length=200)
    subject = serializers.CharField(required=False, help_text="The instance, ins_…; not for a withdrawal.")
    time = serializers.DateTimeField(required=False)
    datacontenttype = serializers.CharField(required=False)
    data = ToldBody()  # type: ignore[assignment] # DRF reads it as a declared field


EXAMPLE: Final = {
    "specversion": "1.0",
    "type": REPORTED,
    "source": "//pangyo.hanbit.example/meter-1",
    "id": "2026-11-24T05/ins_01kasz9p8fe0pb7s4k9h6ce1vx/0",
    "subject": "ins_01kasz9p8fe0pb7s4k9h6ce1vx",
    "data": {
        "meter": "device",
        "quantity": 2,
        "started_at": "2026-11-24T05:00:00Z",
        "ended_at": "2026-11-24T06:00:00Z",
    },
}


class UsageEventsView(ResourceView):
    """Usage events."""

    authentication_classes = (ProviderKeyAuthentication,)
    parser_classes = (_CloudEventsParser, _CloudEventParser)

    @extend_schema(
        operation_id="tell_usage",
        summary="Tell usage of a site that meters itself: 1 to 1,000 CloudEvents, all or nothing",
        request={BATCH: CloudEventBody(many=True), SINGLE: CloudEventBody},
        responses=problems(dict, status=202),
        examples=[OpenApiExample("An hour of two devices", value=[EXAMPLE], request_only=True, media_type=BATCH)],
    )
    def post(self, request: Request) -> Response:
        """With a provider's key, for instances of the provider's own sites.

        Safe to repeat without an Idempotency-Key: an event is known by its source and id, and the same one again is counted as
        a duplicate. What was told wrong is withdrawn by `ondol.usage.withdrawn.v1`, whose `data` names its `id` (and `source`,
        where that is another), and may be told anew in the same batch.
        """
        check_query(request, ())
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        if media_type not in (SINGLE, BATCH):
            raise CloudEventsExpected
        try:
            body = orjson.loads(request._request.body)  # noqa: SLF001 - as it came; `initial` has read it
        except orjson.JSONDecodeError as error:
            raise MalformedBody from error
        is_batch = media_type == BATCH
        if is_batch and not isinstance(body, list):
            raise MalformedBody
        actor = actor_of(request)
        with as_actor(actor):
            found = accept_events(actor=actor, events=body if is_batch else [body], is_batch=is_batch, now=clock.now())
        return Response({"accepted": found.accepted, "duplicates": found.duplicates}, status=202)

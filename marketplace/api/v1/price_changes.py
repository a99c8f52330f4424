"""Announced price changes of running instances, and the customer's answer."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import TermChange
from billing.price_changes import answer_change, list_changes
from marketplace.api.pagination import PARAMETERS, paginate
from marketplace.api.parsing import StrictSerializer, check_query, parse_body, path_id
from marketplace.api.rendering import instant, public
from marketplace.api.schema import problems
from marketplace.api.views import ResourceView
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor
from marketplace.kernel.idempotency import Answer
from marketplace.kernel.money import CURRENCY, won_text_from_micros


class AnswerBody(StrictSerializer):
    """The customer's answer."""

    type = serializers.ChoiceField(choices=["agree", "decline"])


class PriceChangesView(ResourceView):
    """Announced changes."""

    @extend_schema(
        operation_id="list_price_changes",
        summary="List price changes announced to running instances, newest first",
        parameters=[OpenApiParameter("limit", int), OpenApiParameter("cursor", str)],
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """Without an answer a rise never holds: the old price stays until the instance ends."""
        check_query(request, PARAMETERS)
        return self.reading(
            request, "instances.read", lambda actor: paginate(request, list_changes(actor=actor), _change)
        )


class PriceChangeActionsView(ResourceView):
    """Agree or decline."""

    @extend_schema(
        operation_id="answer_price_change",
        summary="Agree to an announced rise, or decline it",
        request=AnswerBody,
        responses=problems(dict),
    )
    def post(self, request: Request, change_id: str) -> Response:
        """Before its instant; the answer is final."""
        check_query(request, ())
        is_agreed = parse_body(request, AnswerBody)["type"] == "agree"

        def write(actor: Actor) -> Answer:
            change = answer_change(
                actor=actor, change_id=path_id("tch", change_id), is_agreed=is_agreed, now=clock.now()
            )
            return Answer(status=200, body=_change(change), headers={})

        return self.writing(request, write)


def _change(row: TermChange) -> dict[str, Any]:
    return {
        "id": public("tch", row.id),
        "instance": public("ins", row.instance_id),
        "price_version": public("prc", row.price_version_id),
        "old_price_per_device_hour": won_text_from_micros(row.old_micros_per_device_hour),
        "new_price_per_device_hour": won_text_from_micros(row.new_micros_per_device_hour),
        "currency": CURRENCY,
        "announced_at": instant(row.announced_at),
        "effective_at": instant(row.effective_at),
        "answer": row.answer or "open",
        "answered_at": instant(row.answered_at),
    }

"""What happened, over all instances: a feed to follow."""

import base64
import binascii
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.pagination import PARAMETERS, read_limit
from marketplace.api.parsing import check_query, path_id
from marketplace.api.rendering import public
from marketplace.api.schema import problems
from marketplace.api.v1.instance_rendering import render_transition
from marketplace.api.views import ResourceView
from marketplace.instances.feed import Position, list_moves
from marketplace.instances.queries import get_instance
from marketplace.instances.states import State
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import ValidationFailed

TYPES: Final = {f"instance.{state.value}": state.value for state in State}


class EventsView(ResourceView):
    """Every move of every instance that the caller may see."""

    @extend_schema(
        operation_id="list_events",
        summary="Follow what happens to instances, oldest first",
        parameters=[
            OpenApiParameter("limit", int),
            OpenApiParameter("cursor", str),
            OpenApiParameter("types", str, description="Some of " + ", ".join(TYPES)),
            OpenApiParameter("instance", str),
        ],
        responses=problems(dict),
    )
    def get(self, request: Request) -> Response:
        """Ask again with `next_cursor`, which is given also when there is nothing more yet, for what came after; none is missed."""
        check_query(request, (*PARAMETERS, "types", "instance"))
        limit = read_limit(request)
        after = _position(request.query_params.get("cursor", ""))
        states = _states(request.query_params.get("types", ""))
        named = request.query_params.get("instance")

        def read(actor: Actor) -> dict[str, Any]:
            only = get_instance(actor=actor, instance_id=path_id("ins", named)).id if named is not None else None
            rows = list_moves(actor=actor, after=after, limit=limit + 1, instance_id=only, states=states)
            page = rows[:limit]
            end = Position(page[-1].xid, page[-1].id) if page else after
            return {
                "data": [{"instance": public("ins", row.instance_id), **render_transition(row)} for row in page],
                "has_more": len(rows) > limit,
                "next_cursor": _cursor(end) if end is not None else None,
            }

        return self.reading(request, "instances.read", read)


def _states(text: str) -> list[str]:
    wanted = [item for item in text.split(",") if item]
    if any(item not in TYPES for item in wanted):
        raise ValidationFailed(reason=_("There is no such type of event."), pointer="?types")
    return [TYPES[item] for item in wanted]


def _cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(position.xid.to_bytes(8) + position.id.bytes).decode()


def _position(cursor: str) -> Position | None:
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        return Position(int.from_bytes(raw[:8]) & (1 << 63) - 1, UUID(bytes=raw[8:]))
    except (ValueError, binascii.Error) as error:
        raise ValidationFailed(reason=_("The cursor is not one that this API gave out."), pointer="?cursor") from error

"""Lists: `limit` 1–100, an opaque cursor, `{data, has_more, next_cursor}`; ids are time-ordered, so a cursor is the last one."""

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from marketplace.kernel.errors import ValidationFailed

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
PARAMETERS: Final = ("limit", "cursor")

Row = TypeVar("Row", bound=Model)


def paginate(request: Request, rows: QuerySet[Row], render: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
    """One page of rows that are ordered by falling id.

    Raises:
        ValidationFailed: A limit outside 1–100 or a cursor that we did not give out.
    """
    limit = _limit(request)
    if cursor := request.query_params.get("cursor"):
        rows = rows.filter(id__lt=_decode(cursor))
    page = list(rows[: limit + 1])
    has_more = len(page) > limit
    page = page[:limit]
    return {
        "data": [render(row) for row in page],
        "has_more": has_more,
        "next_cursor": _encode(page[-1].pk) if has_more else None,
    }


def whole(items: list[dict[str, Any]]) -> dict[str, Any]:
    """A short list that is never paged, in the same shape."""
    return {"data": items, "has_more": False, "next_cursor": None}


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(LIMIT_DEFAULT))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= LIMIT_MAX):
        raise ValidationFailed(reason=_("limit is a whole number from 1 to 100."), pointer="?limit")
    return int(text)


def _encode(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def _decode(cursor: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise ValidationFailed(reason=_("The cursor is not one that this API gave out."), pointer="?cursor") from error

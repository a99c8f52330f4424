"""Lists: `limit` 1–100, an opaque cursor, `{data, has_more, next_cursor}`; ids are time-ordered, so a cursor is the last one."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from marketplace.kernel.errors import ValidationFailed

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
PARAMETERS: Final = ("limit", "cursor")

WINDOW_PARAMETERS: Final = ("created_at[gte]", "created_at[lt]")


ModelRow = TypeVar("ModelRow", bound=Model)
Row = TypeVar("Row")


def paginate(
    request: Request, rows: QuerySet[ModelRow], render: Callable[[ModelRow], dict[str, Any]]
) -> dict[str, Any]:
    """One page of rows that are ordered by falling id.

    Raises:
        ValidationFailed: A limit outside 1–100 or a cursor that we did not give out.
    """

    def read(*, before: UUID | None, limit: int) -> list[Any]:
        return list((rows.filter(id__lt=before) if before else rows)[:limit])

    return paginate_read(request, read, render, identify=lambda row: row.pk)


def paginate_read(
    request: Request,
    read: Callable[..., Sequence[Row]],
    render: Callable[[Row], Any],
    *,
    identify: Callable[[Row], UUID],
) -> dict[str, Any]:
    """One page of what `read(before=, limit=)` returns, ordered by falling id.

    Args:
        identify: A row's id, of which the cursor is made.

    Raises:
        ValidationFailed: A limit outside 1–100 or a cursor that we did not give out.
    """
    limit = read_limit(request)
    cursor = request.query_params.get("cursor")
    page = read(before=_decode(cursor) if cursor else None, limit=limit + 1)
    has_more = len(page) > limit
    page = page[:limit]
    return {
        "data": [render(row) for row in page],
        "has_more": has_more,
        "next_cursor": _encode(identify(page[-1])) if has_more else None,
    }


def created_window(request: Request) -> tuple[datetime | None, datetime | None]:
    """`created_at[gte]` and `created_at[lt]`.

    Raises:
        ValidationFailed: Not an instant with an offset.
    """
    start, end = WINDOW_PARAMETERS
    return parse_instant(request, start), parse_instant(request, end)


def parse_instant(request: Request, parameter: str) -> datetime | None:
    """The instant a query parameter names; None when it is absent.

    Raises:
        ValidationFailed: Not an instant with an offset.
    """
    text = request.query_params.get(parameter)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValidationFailed(
            reason=_("Give an instant in RFC 3339 with its offset, such as 2026-11-24T05:30:00Z."),
            pointer=f"?{parameter}",
        )
    return found


def whole(items: list[dict[str, Any]]) -> dict[str, Any]:
    """A short list that is never paged, in the same shape."""
    return {"data": items, "has_more": False, "next_cursor": None}


def read_limit(request: Request) -> int:
    """`limit`, 20 when absent.

    Raises:
        ValidationFailed: Outside 1–100 or no number.
    """
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

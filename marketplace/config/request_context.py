"""Gives each request an id and binds it to every log line; answers carry it back."""

import re
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from marketplace.kernel import clock, ids

log = structlog.get_logger(__name__)

_GIVEN = re.compile(r"[A-Za-z0-9_-]{8,64}")


class RequestContextMiddleware:
    """Sets `request.request_id`, binds it for logging, writes one line per request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _GIVEN.fullmatch(given) else ids.format_id(prefix="req", value=ids.new_id())
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = clock.monotonic_s()
        response = self.get_response(request)
        response.headers["X-Request-Id"] = request_id
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            duration_ms=round((clock.monotonic_s() - started) * 1000, 1),
        )
        return response

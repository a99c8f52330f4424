"""Every error as an RFC 9457 problem: stable code, sentence and remedy in the caller's language, nothing of our insides."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext_lazy as _
from psycopg_pool import PoolTimeout
from rest_framework import exceptions
from rest_framework.response import Response

from marketplace.kernel.errors import OndolError

log = structlog.get_logger(__name__)

PROBLEM_TYPE: Final = "application/problem+json"


class MalformedBody(OndolError):
    """The body is not JSON."""

    code = "malformed_body"
    http_status = 400
    title = _("The request body is not valid JSON.")
    remedy = _("Send one JSON object in UTF-8.")


class BodyTooLarge(OndolError):
    """The body is larger than 1 MiB."""

    code = "body_too_large"
    http_status = 413
    title = _("The request body is larger than 1 MiB.")
    remedy = _("Put data into a volume or an image; the API takes descriptions only.")


class MethodNotAllowed(OndolError):
    """The route has no such method."""

    code = "method_not_allowed"
    http_status = 405
    title = _("This resource does not have this method.")
    remedy = _("See GET /api/v1/openapi.json for the methods of each route.")


class MediaTypeUnsupported(OndolError):
    """The body is of another type."""

    code = "media_type_unsupported"
    http_status = 415
    title = _("The request body must be application/json.")
    remedy = _("Set the header Content-Type: application/json.")


class RouteUnknown(OndolError):
    """There is no such route."""

    code = "not_found"
    http_status = 404
    title = _("There is nothing here under this id.")
    remedy = _("Check the id and the organization that you are signed in to.")


class Unavailable(OndolError):
    """The database does not answer or all connections are in use."""

    code = "unavailable"
    http_status = 503
    retryable = True
    title = _("The service cannot answer right now.")
    remedy = _("Try again in a few seconds with the same Idempotency-Key; nothing is done twice.")


class InternalError(OndolError):
    """Our fault; logged under the request id."""


_FROM_DRF: Final[tuple[tuple[type[Exception], type[OndolError]], ...]] = (
    (exceptions.ParseError, MalformedBody),
    (RequestDataTooBig, BodyTooLarge),
    (exceptions.MethodNotAllowed, MethodNotAllowed),
    (exceptions.UnsupportedMediaType, MediaTypeUnsupported),
    (exceptions.NotFound, RouteUnknown),
    (Http404, RouteUnknown),
    (OperationalError, Unavailable),
    (InterfaceError, Unavailable),
    (PoolTimeout, Unavailable),
)


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler."""
    request = context.get("request")
    problem = describe(translate(error), request_id=getattr(request, "request_id", ""))
    response = Response(problem, status=problem["status"], content_type=PROBLEM_TYPE)
    if problem["status"] == 401:
        response["WWW-Authenticate"] = 'Bearer realm="ondol"'
    if problem["status"] == 503:
        response["Retry-After"] = "2"
    return response


def translate(error: Exception) -> OndolError:
    """The problem behind any exception; an unexpected one is logged and told as ours."""
    if isinstance(error, OndolError):
        return error
    if isinstance(error, exceptions.ValidationError):
        return InvalidMembers(error.detail)
    if isinstance(error, (exceptions.PermissionDenied, PermissionDenied, exceptions.NotAuthenticated)):
        from marketplace.api.authentication import Unauthenticated  # noqa: PLC0415 - it imports nothing of ours back

        return Unauthenticated()
    for kind, problem in _FROM_DRF:
        if isinstance(error, kind):
            return problem()
    log.error("unexpected_error", error=type(error).__name__, exc_info=error)
    return InternalError()


class InvalidMembers(OndolError):
    """Members of the body that are missing, unknown or malformed; every one is named."""

    code = "validation_failed"
    http_status = 422
    title = _("The request has members that cannot be used.")
    remedy = _("Correct the members named in `errors` and send the request again.")

    def __init__(self, detail: Any) -> None:
        """Keep DRF's nested description as a flat list of pointers and sentences."""
        super().__init__()
        self.members = list(_flatten(detail, ""))


def _flatten(detail: Any, pointer: str) -> Iterable[tuple[str, str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flatten(inner, pointer if name == "non_field_errors" else f"{pointer}/{name}")
    elif isinstance(detail, (list, tuple)):
        for index, inner in enumerate(detail):
            yield from _flatten(inner, pointer if isinstance(inner, str) else f"{pointer}/{index}")
    else:
        yield pointer or "/", str(detail)


def describe(error: OndolError, *, request_id: str) -> dict[str, Any]:
    """The problem document."""
    members = error.members if isinstance(error, InvalidMembers) else []
    if error.pointer is not None:
        members = [(error.pointer, error.message())]
    return {
        "type": f"https://ondol.invalid/problems/{error.code}",
        "title": error.message(),
        "status": error.http_status,
        "detail": "; ".join(f"{pointer}: {text}" for pointer, text in members) if len(members) > 1 else error.message(),
        "code": error.code,
        "errors": [{"pointer": pointer, "detail": text} for pointer, text in members],
        "request_id": request_id,
        "retryable": error.retryable,
        "remedy": error.advice(),
        **error.details,
    }


def plain_problem(request: HttpRequest, error: OndolError) -> JsonResponse:
    """A problem outside DRF's views, e.g. for an unknown route below /api/."""
    problem = describe(error, request_id=getattr(request, "request_id", ""))
    return JsonResponse(problem, status=problem["status"], content_type=PROBLEM_TYPE)

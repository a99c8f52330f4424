"""An unknown route below /api/ answers with a problem, like everything else there."""

from django.http import HttpRequest, JsonResponse

from marketplace.api.errors import RouteUnknown, plain_problem


def unknown_route(request: HttpRequest) -> JsonResponse:
    """404 as a problem document."""
    return plain_problem(request, RouteUnknown())

"""The console's request: everything an operator sees or does happens in one transaction as that operator."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from marketplace.kernel.actors import Actor, ActorKind, as_actor


def operator_of(request: HttpRequest) -> Actor:
    """The actor of the signed-in operator."""
    user = request.user
    return Actor(
        kind=ActorKind.OPERATOR,
        name=user.get_username() or "anonymous",
        user_id=user.pk,
        address=request.META.get("REMOTE_ADDR", ""),
        request_id=getattr(request, "request_id", ""),
    )


class OperatorTransactionMiddleware:
    """Opens `as_actor(operator)` around each request of the console; not used by the customers' face."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next handler."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request; template responses are rendered inside the transaction."""
        with as_actor(operator_of(request)):
            return self.get_response(request)

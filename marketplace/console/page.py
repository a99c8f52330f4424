"""What every page of the console knows: which operator looks. And the decorator that lets nobody else in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from marketplace.accounts.models import User
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import Actor, ActorKind, savepoint
from marketplace.kernel.errors import NotFound, OndolError, ValidationFailed

REASON_CHARACTERS_MAX = 1_000
OFFSET_MAX = 100_000
UNDO_KEY: Final = "undo"
"""What the operator did last and may take back, in their session; the operation itself has the last word."""

Parameters = ParamSpec("Parameters")


class ReasonMissing(ValidationFailed):
    """A change without a reason; nothing was changed."""

    code = "reason_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPage:
    """The signed-in operator's view of one request.

    Attributes:
        section: Which entry of the side bar is current.
    """

    request: HttpRequest
    actor: Actor
    section: str

    def render(self, template: str, *, status: int = 200, title: str = "", **context: Any) -> HttpResponse:
        """Render `templates/console/<template>` in the console's frame."""
        frame = admin.site.each_context(self.request)
        response = render(
            self.request, f"console/{template}", {**frame, "page": self, "title": title, **context}, status=status
        )
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def read_reason(self) -> str:
        """The form's `reason`, for the audit log.

        Raises:
            ReasonMissing: Empty or too long.
        """
        reason = self.request.POST.get("reason", "").strip()
        if not reason:
            raise ReasonMissing(reason=_("Say why; the audit log keeps it."), pointer="/reason")
        if len(reason) > REASON_CHARACTERS_MAX:
            raise ReasonMissing(reason=_("A reason has at most 1,000 characters."), pointer="/reason")
        return reason

    def read_id(self, *, prefix: str, text: str) -> UUID:
        """The stored id behind a public one in the URL or form.

        Raises:
            NotFound: It is not one.
        """
        try:
            return ids.parse_id(prefix=prefix, text=text)
        except ids.MalformedId as error:
            raise NotFound from error

    def read_offset(self) -> int:
        """Where a list's page begins, from the URL; anything that is no number is the beginning."""
        text = self.request.GET.get("offset", "")
        return min(OFFSET_MAX, int(text[:7])) if text.isascii() and text.isdigit() else 0

    def done(self, message: str, *, to: str, **arguments: Any) -> HttpResponse:
        """Confirm what was done on the page that follows.

        Args:
            to: Route name, e.g. `console:overview`; `arguments` are its parts.
        """
        return self.done_at(message, path=reverse(to, kwargs=arguments or None))

    def done_at(self, message: str, *, path: str) -> HttpResponse:
        """As `done`, for a page of which the path is known already."""
        messages.success(self.request, message)
        return redirect(path)

    def offer_undo(self, *, what: str, key: str, until: datetime) -> None:
        """Show a way back on the pages that follow, until an instant.

        Args:
            what: Which operation takes it back, as `views/undo.py` names them; `key` tells it what.
        """
        self.request.session[UNDO_KEY] = {"what": what, "key": key, "until": until.isoformat()}

    @property
    def undo_left_s(self) -> int:
        """Whole seconds for which the last act can still be taken back; 0 = there is none."""
        offered = self.request.session.get(UNDO_KEY)
        if not offered:
            return 0
        left = datetime.fromisoformat(offered["until"]) - clock.now()
        return max(0, left // timedelta(seconds=1))


def operator_page(
    section: str,
) -> Callable[[Callable[Concatenate[OperatorPage, Parameters], HttpResponse]], Callable[..., HttpResponse]]:
    """A view for platform staff, in a savepoint of the request's transaction: a refusal takes back what was written."""

    def decorate(
        view: Callable[Concatenate[OperatorPage, Parameters], HttpResponse],
    ) -> Callable[..., HttpResponse]:
        @wraps(view)
        def handle(request: HttpRequest, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponse:
            user = request.user
            if not (isinstance(user, User) and user.is_active and user.is_staff):
                return redirect_to_login(request.get_full_path(), "admin:login")
            page = OperatorPage(request=request, actor=_operator(request, user), section=section)
            try:
                with savepoint():
                    return view(page, *args, **kwargs)
            except OndolError as error:
                context = {"error": error, "message": error.message(), "advice": error.advice()}
                return page.render("refusal.html", status=error.http_status, title=str(_("Not done")), **context)

        return handle

    return decorate


def _operator(request: HttpRequest, user: User) -> Actor:
    return Actor(
        kind=ActorKind.OPERATOR,
        name=user.get_username(),
        user_id=user.pk,
        address=request.META.get("REMOTE_ADDR", ""),
        request_id=getattr(request, "request_id", ""),
    )

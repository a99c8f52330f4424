"""What every page knows: who looks, for which tenant and project. And the decorator that opens their transaction."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from billing.credit.reading import list_credit
from billing.credit.state import CreditState
from marketplace.accounts.models import User
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.tenants.models import Project, Tenant
from marketplace.tenants.queries import find_member_actor, list_projects, list_tenants_of_user, signed_in_actor

TENANT_KEY = "tenant"
PROJECT_KEY = "project"

Parameters = ParamSpec("Parameters")


@dataclass(slots=True, kw_only=True)
class Page:
    """The signed-in member's view of one request.

    Attributes:
        project: The chosen project; None while the tenant has none that the member may see.
        section: Which entry of the navigation is current.
    """

    request: HttpRequest
    actor: Actor
    tenant: Tenant
    tenants: list[Tenant]
    projects: list[Project]
    project: Project | None
    section: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def render(self, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
        """Render a template with the page and `context`; no cache keeps what one member saw."""
        response = render(self.request, f"portal/{template}", {"page": self, **context}, status=status)
        response.headers["Cache-Control"] = "private, no-store"
        return response

    @property
    def credit(self) -> CreditState | None:
        """The credit that ends first, for the top bar; None when nobody pays ahead or the member may not see it."""
        if not self.may("credit.read"):
            return None
        if "credit" not in self.extra:
            self.extra["credit"] = next(iter(list_credit(actor=self.actor, now=clock.now())), None)
        found: CreditState | None = self.extra["credit"]
        return found

    def may(self, permission: str) -> bool:
        """Whether the member has a permission."""
        return permission in self.actor.permissions

    @property
    def permissions(self) -> frozenset[str]:
        """For templates."""
        return self.actor.permissions


def member_page(
    section: str,
) -> Callable[
    [Callable[Concatenate[Page, Parameters], HttpResponse]],
    Callable[..., HttpResponse],
]:
    """A view for signed-in members: one transaction as the member, refusals as pages.

    The wrapped view gets a `Page` and must render before it returns, since the transaction ends with it.
    """

    def decorate(
        view: Callable[Concatenate[Page, Parameters], HttpResponse],
    ) -> Callable[..., HttpResponse]:
        @wraps(view)
        def handle(request: HttpRequest, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponse:
            if not isinstance(request.user, User):
                return _ask_to_sign_in(request)
            actor, tenants = _choose(request, request.user)
            if actor is None:
                return render(request, "portal/no_tenant.html", status=403)
            try:
                with as_actor(actor):
                    page = _build(request, actor, tenants, section)
                    return view(page, *args, **kwargs)
            except OndolError as error:
                return refusal(request, error)

        return handle

    return decorate


def refusal(request: HttpRequest, error: OndolError) -> HttpResponse:
    """An error as a page: situation, what to do, request id."""
    context = {"error": error, "message": error.message(), "advice": error.advice()}
    return render(request, "portal/refusal.html", context, status=error.http_status)


def _ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page, and back here after it.

    A fragment that htmx asks for must not be answered with a redirect: the browser would follow it unseen, and the sign-in page
    would be swapped into the middle of the page. htmx is told to load it instead, and to come back to the whole page.
    """
    htmx = getattr(request, "htmx", None)
    if not htmx:
        return redirect_to_login(request.get_full_path(), "portal:sign-in")
    to_sign_in = redirect_to_login(htmx.current_url_abs_path or "/", "portal:sign-in")
    return HttpResponse(status=401, headers={"HX-Redirect": to_sign_in.headers["Location"]})


def _choose(request: HttpRequest, user: User) -> tuple[Actor | None, list[Tenant]]:
    """The actor for the tenant chosen in the session, or for the first one; read anew at each request."""
    address = request.META.get("REMOTE_ADDR", "")
    request_id = getattr(request, "request_id", "")
    visitor = signed_in_actor(user=user, address=address, request_id=request_id)
    with as_actor(visitor):
        tenants = list(list_tenants_of_user(actor=visitor))
        chosen = request.session.get(TENANT_KEY)
        ordered = sorted(tenants, key=lambda tenant: str(tenant.id) != chosen)
        for tenant in ordered[:1]:
            actor = find_member_actor(user=user, tenant_id=tenant.id, address=address, request_id=request_id)
            return actor, tenants
    return None, tenants


def _build(request: HttpRequest, actor: Actor, tenants: list[Tenant], section: str) -> Page:
    tenant = next((item for item in tenants if item.id == actor.tenant_id), None)
    if tenant is None:
        raise NotFound
    projects = list(list_projects(actor=actor))
    chosen = request.session.get(PROJECT_KEY)
    project = next((item for item in projects if str(item.id) == chosen), projects[0] if projects else None)
    return Page(
        request=request,
        actor=actor,
        tenant=tenant,
        tenants=tenants,
        projects=projects,
        project=project,
        section=section,
    )


def remember_project(page: Page, project_id: UUID) -> None:
    """Keep the chosen project in the session, if the member may see it."""
    if any(project.id == project_id for project in page.projects):
        page.request.session[PROJECT_KEY] = str(project_id)

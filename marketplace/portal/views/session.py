"""Signing in and out, and what a visitor prefers."""

from contextlib import suppress

from django.conf import settings
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_http_methods, require_POST

from marketplace.accounts.sign_in import check_credentials
from marketplace.kernel import ids
from marketplace.kernel.errors import OndolError
from marketplace.portal.page import PROJECT_KEY, TENANT_KEY, Page, member_page, remember_project

A_YEAR_S = 365 * 86_400


@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The form, and what it sends; the session's id changes at sign-in."""
    if request.user.is_authenticated:
        return redirect("portal:home")
    error: OndolError | None = None
    if request.method == "POST":
        try:
            user = check_credentials(
                request=request,
                email=request.POST.get("email", "")[:254],
                password=request.POST.get("password", "")[:512],
            )
        except OndolError as refused:
            error = refused
        else:
            login(request, user)
            return HttpResponseRedirect(_safe_next(request))
    context = {"error": error, "email": request.POST.get("email", ""), "next": request.GET.get("next", "")}
    return render(request, "portal/sign_in.html", context, status=error.http_status if error else 200)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session here and now."""
    logout(request)
    return redirect("portal:sign-in")


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Keep the language in a cookie."""
    response = HttpResponseRedirect(_back(request))
    language = request.POST.get("language", "")
    if check_for_language(language):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=A_YEAR_S,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    return response


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keep light or dark in a cookie; the server writes it on the page, so that nothing flickers."""
    response = HttpResponseRedirect(_back(request))
    theme = request.POST.get("theme", "")
    if theme in ("light", "dark"):
        response.set_cookie(
            "ondol_theme", theme, max_age=A_YEAR_S, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
        )
    return response


@require_POST
@member_page("")
def choose_project(page: Page) -> HttpResponse:
    """Work in another project or tenant from now on."""
    text = page.request.POST.get("project", "")
    with suppress(ids.MalformedId):  # an unknown project changes nothing
        remember_project(page, ids.parse_id(prefix="prj", text=text))
    return HttpResponseRedirect(_back(page.request))


@require_POST
@member_page("")
def choose_tenant(page: Page) -> HttpResponse:
    """Work for another organization from now on."""
    wanted = page.request.POST.get("tenant", "")
    if any(ids.format_id(prefix="ten", value=tenant.id) == wanted for tenant in page.tenants):
        page.request.session[TENANT_KEY] = str(ids.parse_id(prefix="ten", text=wanted))
        page.request.session.pop(PROJECT_KEY, None)
    return redirect("portal:home")


def _safe_next(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "") or request.GET.get("next", "")
    return wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}) else "/"


def _back(request: HttpRequest) -> str:
    wanted = request.POST.get("back", "")
    return wanted if wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) else "/"

"""API keys: shown once, revoked at once."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from marketplace.kernel import clock, ids
from marketplace.kernel.actors import savepoint
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.portal.page import Page, member_page
from marketplace.tenants.access import require_permission
from marketplace.tenants.api_keys import issue_api_key, revoke_api_key
from marketplace.tenants.permissions import PERMISSIONS
from marketplace.tenants.queries import list_api_keys

KEYS_SHOWN_MAX = 100


@require_http_methods(["GET", "POST"])
@member_page("developer")
def api_keys(page: Page) -> HttpResponse:
    """List, and issue; the new secret is on this answer and nowhere else, which is why it is not a redirect."""
    require_permission(actor=page.actor, permission="api_keys.read")
    secret, error = "", None
    name = page.request.POST.get("name", "")[:100]
    chosen = page.request.POST.getlist("scopes")
    if page.request.method == "POST":
        if page.project is None:
            raise NotFound
        try:
            with savepoint():
                issued = issue_api_key(
                    actor=page.actor, project=page.project, name=name or "API", scopes=chosen, now=clock.now()
                )
            secret = issued.secret
        except OndolError as refused:
            error = refused
    return page.render(
        "api_keys.html",
        status=error.http_status if error else 200,
        keys=list(list_api_keys(actor=page.actor).select_related("project")[:KEYS_SHOWN_MAX]),
        scopes=sorted(PERMISSIONS & page.actor.permissions),
        chosen=chosen
        or ["instances.read", "instances.write", "offers.read", "projects.read", "quotas.read", "usage.read"],
        secret=secret,
        error=error,
        name=name,
    )


@require_POST
@member_page("developer")
def revoke(page: Page, api_key_id: str) -> HttpResponse:
    """Effective on the next request."""
    try:
        wanted = ids.parse_id(prefix="key", text=api_key_id)
    except ids.MalformedId as error:
        raise NotFound from error
    revoke_api_key(actor=page.actor, api_key_id=wanted, now=clock.now())
    return redirect("portal:api-keys")

"""Sites that meter themselves: whose word is billed by, and the keys of providers' meters."""

from datetime import timedelta

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from marketplace.console.page import OperatorPage, operator_page
from marketplace.inventory.models import MeteredBy, Provider, Site
from marketplace.inventory.provider_keys import (
    IssuedProviderKey,
    issue_provider_key,
    list_provider_keys,
    revoke_provider_key,
    set_metered_by,
)
from marketplace.kernel import clock
from marketplace.kernel.days import begin_of, parse_day
from marketplace.kernel.errors import ValidationFailed


@require_GET
@operator_page("self-metering")
def self_metering(page: OperatorPage) -> HttpResponse:
    """Sites, keys and both forms."""
    return _render(page)


@require_POST
@operator_page("self-metering")
def change_site(page: OperatorPage) -> HttpResponse:
    """Set whose word a site's usage is billed by."""
    wanted = page.request.POST.get("metered_by", "")
    if wanted not in MeteredBy.values:
        raise ValidationFailed(reason=_("Choose who meters the site."), pointer="/metered_by")
    site_id = page.read_id(prefix=Site.TYPE_PREFIX, text=page.request.POST.get("site", ""))
    is_news = set_metered_by(
        actor=page.actor, site_id=site_id, metered_by=MeteredBy(wanted), reason=page.read_reason(), now=clock.now()
    )
    message = _("Set for devices that are promised from now on.") if is_news else _("It was set so already.")
    return page.done(message, to="console:self-metering")


@require_POST
@operator_page("self-metering")
def issue_key(page: OperatorPage) -> HttpResponse:
    """Issue a key; its text is on the answer and nowhere else."""
    posted = page.request.POST
    last_day = posted.get("last_day", "")
    issued = issue_provider_key(
        actor=page.actor,
        provider_id=page.read_id(prefix=Provider.TYPE_PREFIX, text=posted.get("provider", "")),
        name=posted.get("name", "").strip(),
        reason=page.read_reason(),
        expires_at=begin_of(parse_day(text=last_day, pointer="/last_day")) + timedelta(days=1) if last_day else None,
        now=clock.now(),
    )
    return _render(page, issued=issued)


@require_POST
@operator_page("self-metering")
def revoke_key(page: OperatorPage, key_id: str) -> HttpResponse:
    """Revoke a key."""
    wanted = page.read_id(prefix="pvk", text=key_id)
    revoke_provider_key(actor=page.actor, key_id=wanted, reason=page.read_reason(), now=clock.now())
    return page.done(_("The key is revoked."), to="console:self-metering")


def _render(page: OperatorPage, *, issued: IssuedProviderKey | None = None) -> HttpResponse:
    return page.render(
        "self_metering.html",
        title=_("Self-metering sites"),
        sites=Site.objects.select_related("provider").order_by("provider__code", "code"),
        choices=MeteredBy.choices,
        providers=Provider.objects.order_by("code"),
        keys=list_provider_keys(),
        now=clock.now(),
        issued=issued,
    )

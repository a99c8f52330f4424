"""Home: what runs, what it costs, what needs action."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from billing.costs import read_month_to_date
from marketplace.instances.queries import list_instances
from marketplace.instances.states import State
from marketplace.journeys.notice_texts import describe_notice
from marketplace.kernel import clock, ids
from marketplace.kernel.errors import NotFound
from marketplace.kernel.notices import acknowledge_notice, list_open_for_member
from marketplace.portal.page import Page, member_page

RECENT_MAX = 5
NOTICES_MAX = 20


@require_GET
@member_page("home")
def home(page: Page) -> HttpResponse:
    """Counts, burn rate, month to date, the latest instances."""
    live = list(
        list_instances(actor=page.actor)
        .exclude(state__in=[State.ENDED, State.STOPPED])
        .prefetch_related("allocations__term")
    )
    burn_micros = sum(
        allocation.term.price_micros_per_device_hour * allocation.devices
        for instance in live
        if instance.state == State.RUNNING
        for allocation in instance.allocations.all()
        if allocation.released_at is None
    )
    return page.render(
        "home.html",
        running=sum(1 for instance in live if instance.state == State.RUNNING),
        waiting=sum(1 for instance in live if instance.state in (State.QUEUED, State.PROVISIONING)),
        burn_micros=burn_micros,
        month=read_month_to_date(actor=page.actor, now=clock.now()) if page.may("usage.read") else None,
        recent=list(list_instances(actor=page.actor)[:RECENT_MAX]),
        notices=[describe_notice(notice) for notice in list_open_for_member(actor=page.actor)[:NOTICES_MAX]],
    )


@require_POST
@member_page("home")
def hide_notice(page: Page, notice_id: str) -> HttpResponse:
    """The member has read it; it comes back if it grows graver."""
    try:
        stored = ids.parse_id(prefix="not", text=notice_id)
    except ids.MalformedId as error:
        raise NotFound from error
    acknowledge_notice(actor=page.actor, notice_id=stored, now=clock.now())
    return redirect("portal:home")

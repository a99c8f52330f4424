"""Home: what runs, what it costs, what needs action."""

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from billing.queries import read_month_to_date
from marketplace.instances.queries import list_instances
from marketplace.instances.states import State
from marketplace.kernel import clock
from marketplace.portal.page import Page, member_page

RECENT_MAX = 5


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
    )

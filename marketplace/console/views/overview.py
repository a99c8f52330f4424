"""The first page: what needs an operator's attention, the gravest first."""

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from marketplace.console.page import OperatorPage, operator_page
from marketplace.journeys.notice_texts import describe_notice
from marketplace.kernel import clock
from marketplace.kernel.notices import acknowledge_notice, list_open_for_operators

NOTICES_MAX = 100


@require_GET
@operator_page("overview")
def overview(page: OperatorPage) -> HttpResponse:
    """Open notices."""
    notices = [describe_notice(notice) for notice in list_open_for_operators()[:NOTICES_MAX]]
    return page.render("overview.html", title=_("Overview"), notices=notices)


@require_POST
@operator_page("overview")
def acknowledge(page: OperatorPage, notice_id: str) -> HttpResponse:
    """Somebody looks after it; it stays open until its cause is gone."""
    acknowledge_notice(
        actor=page.actor,
        notice_id=page.read_id(prefix="not", text=notice_id),
        reason=page.read_reason(),
        now=clock.now(),
    )
    return page.done(_("The notice is marked as being looked after."), to="console:overview")

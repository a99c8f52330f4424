"""The queue: reason, rank, wait, estimate; why candidate by candidate; the end of a wait that is stuck."""

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from marketplace.console.page import OperatorPage, operator_page
from marketplace.journeys.watch_queue import expire_wait, explain_waiting, view_queue
from marketplace.kernel import clock


@require_GET
@operator_page("queue")
def queue(page: OperatorPage) -> HttpResponse:
    """Everything that waits, in the admitter's order; the reason is a filter in the URL."""
    reason = page.request.GET.get("reason", "")[:40]
    view = view_queue(now=clock.now(), reason=reason, offset=page.read_offset())
    return page.render("queue.html", title=_("Queue"), queue=view, reason=reason)


@require_GET
@operator_page("queue")
def explain(page: OperatorPage, instance_id: str) -> HttpResponse:
    """One waiting instance with every candidate that was not taken."""
    found = explain_waiting(instance_id=page.read_id(prefix="ins", text=instance_id), now=clock.now())
    return page.render("queue_explain.html", title=found.row.instance.name, explained=found)


@require_POST
@operator_page("queue")
def expire(page: OperatorPage, instance_id: str) -> HttpResponse:
    """End a wait that is stuck; the customer reads the reason."""
    wanted = page.read_id(prefix="ins", text=instance_id)
    expire_wait(actor=page.actor, instance_id=wanted, why=page.read_reason(), now=clock.now())
    return page.done(_("The wait was ended; the customer reads your reason on the instance."), to="console:queue")

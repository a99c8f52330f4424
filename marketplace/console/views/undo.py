"""The way back from what an operator just did."""

from datetime import datetime

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from marketplace.console.page import UNDO_KEY, OperatorPage, operator_page
from marketplace.kernel import clock
from marketplace.quotas.operations import UndoTooLate, undo_decision, undo_edits


@require_POST
@operator_page("quotas")
def undo(page: OperatorPage) -> HttpResponse:
    """Take back the last act that this session offered; the operation checks who, when and what stands now."""
    offered, now = page.request.session.get(UNDO_KEY), clock.now()
    match offered:
        case {"what": "quota-decision", "key": str(key)}:
            undo_decision(actor=page.actor, request_id=page.read_id(prefix="qrq", text=key), now=now)
            route = "console:quota-inbox"
        case {"what": "quota-edits", "key": str(key)}:
            undo_edits(actor=page.actor, made_at=datetime.fromisoformat(key), now=now)
            route = "console:quotas"
        case _nothing:
            raise UndoTooLate
    del page.request.session[UNDO_KEY]
    return page.done(_("The last change is undone."), to=route)

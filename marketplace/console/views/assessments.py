"""Customers' own assessments of providers: what holds until when; a paper is opened with a reason that the customer can read."""

from typing import Final

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from marketplace.console.page import OperatorPage, operator_page
from marketplace.inventory.queries import find_paper, list_assessments_of_all
from marketplace.kernel import clock
from marketplace.kernel.audit import record_act
from marketplace.kernel.downloads import answer_download
from marketplace.kernel.errors import NotFound

ASSESSMENTS_PER_PAGE: Final = 50


@require_GET
@operator_page("assessments")
def assessments(page: OperatorPage) -> HttpResponse:
    """The newest first."""
    offset, now = page.read_offset(), clock.now()
    rows = list(list_assessments_of_all()[offset : offset + ASSESSMENTS_PER_PAGE + 1])
    return page.render(
        "assessments.html",
        title=_("Assessments by customers"),
        items=[
            {"row": row, "is_in_force": row.withdrawn_at is None and row.recheck_due_at > now}
            for row in rows[:ASSESSMENTS_PER_PAGE]
        ],
        next_offset=offset + ASSESSMENTS_PER_PAGE if len(rows) > ASSESSMENTS_PER_PAGE else None,
    )


@require_POST
@operator_page("assessments")
def paper(page: OperatorPage, assessment_id: str) -> HttpResponse:
    """A customer's paper as a download: an operator says why, and the organization's audit log keeps it."""
    reason = page.read_reason()
    row = list_assessments_of_all().filter(id=page.read_id(prefix="asm", text=assessment_id)).first()
    found = find_paper(document_id=row.document_id) if row is not None else None
    if row is None or found is None:
        raise NotFound
    record_act(
        actor=page.actor, action="assessment.paper_opened", object_type="asm", object_id=row.id, tenant_id=row.tenant_id,
        reason=reason, now=clock.now(), changes={"file": found.file_name},
    )  # fmt: skip
    return answer_download(name=found.file_name, media_type=found.media_type, content=found.content)

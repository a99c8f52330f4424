"""Certificates of the sites, and the organization's own assessments of providers: what holds until when, record and withdraw."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from marketplace.inventory.models import CustomerAssessment
from marketplace.inventory.queries import find_paper, list_assessments, list_certifications
from marketplace.journeys.assess import AssessmentRequest, assess, withdraw
from marketplace.journeys.calendar import draw_calendar
from marketplace.journeys.refusal_words import RefusalWords
from marketplace.journeys.watch_assurance import severity_of
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import savepoint
from marketplace.kernel.days import parse_day
from marketplace.kernel.downloads import answer_download
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.kernel.uploads import read_upload
from marketplace.portal.page import Page, member_page
from marketplace.sovereignty.models import HeldBy
from marketplace.sovereignty.queries import list_schemes
from marketplace.tenants.access import require_permission
from marketplace.tenants.queries import list_people_who_may

TONES = {None: "good", "info": "", "warning": "wait", "critical": "bad"}


@dataclass(frozen=True, slots=True)
class AssessmentForm:
    """As typed; kept when it is refused."""

    project: str = ""
    provider: str = ""
    scheme: str = ""
    committee_on: str = ""
    reported_on: str = ""
    review_number: str = ""
    recheck_due_on: str = ""


@require_http_methods(["GET", "POST"])
@member_page("assurance")
def assurance(page: Page) -> HttpResponse:
    """Own assessments, then the certificates of every site with a calendar of ends."""
    require_permission(actor=page.actor, permission="assurance.read")
    form, error = AssessmentForm(), None
    if page.request.method == "POST":
        given = page.request.POST
        form = AssessmentForm(
            **{name: given.get(name, "").strip()[:80] for name in AssessmentForm.__dataclass_fields__}
        )
        try:
            with savepoint():
                assess(actor=page.actor, request=_request(page, form), now=clock.now())
            return redirect("portal:assurance")
        except OndolError as refused:
            error = refused
    now, words = clock.now(), RefusalWords.read()
    certificates = [row for row in list_certifications() if row.revoked_at is None and row.valid_to > now]
    names = [
        (f"{words.scheme(row.scheme.code)} {row.level}".strip(), _holder(row.site or row.provider), row.valid_to)
        for row in certificates
    ]
    return page.render(
        "assurance.html",
        status=error.http_status if error else 200,
        assessments=[_describe(row, words, now=now) for row in list_assessments(actor=page.actor)],
        certificates=[
            {"row": row, "name": name, "holder": holder, **_state(row.valid_to, now=now)}
            for row, (name, holder, _ends_at) in zip(certificates, names, strict=True)
        ],
        calendar=draw_calendar(items=names, now=now),
        schemes=[(row.code, words.scheme(row.code)) for row in list_schemes(held_by=HeldBy.CUSTOMER)],
        providers=sorted(words.providers.items()),
        people=list_people_who_may(actor=page.actor, permission="assurance.write"),
        may_write=page.may("assurance.write"),
        is_everywhere=page.actor.project_ids is None,
        form=form,
        error=error,
    )


@require_GET
@member_page("assurance")
def assessment_paper(page: Page, assessment_id: str) -> HttpResponse:
    """The paper of an own assessment, as a download; one that is not the member's does not exist."""
    require_permission(actor=page.actor, permission="assurance.read")
    wanted = _parse("asm", assessment_id)
    row = list_assessments(actor=page.actor).filter(id=wanted).first()
    return _download(None if row is None else row.document_id)


@require_GET
@member_page("assurance")
def certificate_paper(page: Page, certificate_id: str) -> HttpResponse:
    """The paper of a site's or provider's certificate, which every customer's auditor may read."""
    require_permission(actor=page.actor, permission="assurance.read")
    row = list_certifications().filter(id=_parse("crt", certificate_id)).first()
    return _download(None if row is None else row.document_id)


def _download(document_id: UUID | None) -> HttpResponse:
    paper = find_paper(document_id=document_id)
    if paper is None:
        raise NotFound
    return answer_download(name=paper.file_name, media_type=paper.media_type, content=paper.content)


def _parse(prefix: str, text: str) -> UUID:
    try:
        return ids.parse_id(prefix=prefix, text=text)
    except ids.MalformedId as error:
        raise NotFound from error


@require_POST
@member_page("assurance")
def withdraw_one(page: Page, assessment_id: str) -> HttpResponse:
    """End an assessment, with a reason."""
    withdraw(
        actor=page.actor,
        assessment_id=_parse("asm", assessment_id),
        reason=page.request.POST.get("reason", ""),
        now=clock.now(),
    )
    return redirect("portal:assurance")


def _request(page: Page, form: AssessmentForm) -> AssessmentRequest:
    try:
        project_id = ids.parse_id(prefix="prj", text=form.project) if form.project else None
    except ids.MalformedId as error:
        raise NotFound(pointer="/project") from error
    return AssessmentRequest(
        project_id=project_id,
        provider=form.provider,
        scheme=form.scheme,
        committee_on=parse_day(text=form.committee_on, pointer="/committee_on"),
        reported_on=parse_day(text=form.reported_on, pointer="/reported_on") if form.reported_on else None,
        review_number=form.review_number,
        recheck_due_on=parse_day(text=form.recheck_due_on, pointer="/recheck_due_on"),
        document=read_upload(page.request, field="document"),
    )


def _describe(row: CustomerAssessment, words: RefusalWords, *, now: datetime) -> dict[str, Any]:
    state = _state(row.recheck_due_at, now=now)
    if row.withdrawn_at is not None:
        state = {"state": _("Withdrawn"), "tone": ""}
    elif row.recheck_due_at <= now:
        state = {"state": _("Re-check overdue"), "tone": "bad"}
    return {
        "row": row,
        "provider": words.provider(row.provider.code),
        "scheme": words.scheme(row.scheme.code),
        "is_open": row.withdrawn_at is None,
        **state,
    }


def _state(ends_at: datetime, *, now: datetime) -> dict[str, str]:
    left = ends_at - now
    return {"state": _("%(days)s days left") % {"days": max(0, left.days)}, "tone": TONES[severity_of(left)]}


def _holder(holder: Any) -> str:
    return str(holder.name_en if get_language() == "en" else holder.name_ko)

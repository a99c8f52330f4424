"""The organization's limits as a tree with their use, asking for more, and what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from marketplace.kernel import clock, ids
from marketplace.kernel.actors import savepoint
from marketplace.kernel.days import begin_of, parse_day
from marketplace.kernel.errors import NotFound, OndolError, ValidationFailed
from marketplace.portal.page import Page, member_page
from marketplace.quotas.attachments import BYTES_MAX, Paper
from marketplace.quotas.models import Quota
from marketplace.quotas.operations import ask_quota, resubmit_request, withdraw_request
from marketplace.quotas.queries import (
    get_attachment,
    get_request,
    list_events,
    list_papers,
    list_pending_limits,
    list_periods,
    list_quotas,
    list_requests,
)
from marketplace.tenants.access import require_permission

REQUESTS_SHOWN_MAX: Final = 50
DEPTHS: Final = {"tenant": 0, "project": 1, "member": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One line of the tree as it is shown.

    Attributes:
        depth: 0 for the organization.
        percent: Of the limit that is used, for the words beside the bar.
    """

    quota: Quota
    scope: str
    depth: int
    free: int
    percent: int
    pending: int | None
    is_first: bool


@require_GET
@member_page("quotas")
def quotas(page: Page) -> HttpResponse:
    """The tree, what changes soon, and the requests."""
    require_permission(actor=page.actor, permission="quotas.read")
    branches = list(_branches(page))
    return page.render(
        "quotas.html",
        branches=branches,
        periods=list(list_periods(actor=page.actor, now=clock.now()).select_related("quota")),
        requests=list(list_requests(actor=page.actor)[:REQUESTS_SHOWN_MAX]),
        can_ask=page.may("quota_requests.write") and any(branch.depth == 0 for branch in branches),
    )


@require_http_methods(["GET", "POST"])
@member_page("quotas")
def ask(page: Page) -> HttpResponse:
    """The form, and what came of sending it."""
    require_permission(actor=page.actor, permission="quota_requests.write")
    lines = [branch for branch in _branches(page) if branch.depth == 0]
    typed = page.request.POST if page.request.method == "POST" else page.request.GET
    error: OndolError | None = None
    if page.request.method == "POST":
        try:
            with savepoint():
                asked = ask_quota(
                    actor=page.actor,
                    quota_id=_parse("quo", typed.get("quota", "")),
                    wanted_limit=_whole(typed.get("limit", "")),
                    justification=typed.get("justification", ""),
                    effective_from=_day(typed.get("from", ""), pointer="/from"),
                    effective_to=_day(typed.get("to", ""), pointer="/to"),
                    papers=_papers(page),
                    now=clock.now(),
                )
            return redirect("portal:quota-request", ids.format_id(prefix="qrq", value=asked.id))
        except OndolError as refused:
            error = refused
    return page.render(
        "quota_ask.html", status=error.http_status if error else 200, lines=lines, typed=typed, error=error
    )


@require_GET
@member_page("quotas")
def request_detail(page: Page, request_id: str) -> HttpResponse:
    """One request with its history and papers."""
    require_permission(actor=page.actor, permission="quotas.read")
    request = get_request(actor=page.actor, request_id=_parse("qrq", request_id))
    return page.render(
        "quota_request.html",
        asked=request,
        events=list(list_events(request=request)),
        papers=list(list_papers(request=request)),
    )


@require_POST
@member_page("quotas")
def withdraw(page: Page, request_id: str) -> HttpResponse:
    """Taken back; the history stays."""
    withdraw_request(actor=page.actor, request_id=_parse("qrq", request_id), now=clock.now())
    return redirect("portal:quota-request", request_id)


@require_POST
@member_page("quotas")
def resubmit(page: Page, request_id: str) -> HttpResponse:
    """Sent again after it was sent back."""
    typed = page.request.POST
    resubmit_request(
        actor=page.actor,
        request_id=_parse("qrq", request_id),
        wanted_limit=_whole(typed.get("limit", "")),
        justification=typed.get("justification", ""),
        papers=_papers(page),
        now=clock.now(),
    )
    return redirect("portal:quota-request", request_id)


@require_GET
@member_page("quotas")
def paper(page: Page, attachment_id: str) -> HttpResponse:
    """A paper, always as a download."""
    require_permission(actor=page.actor, permission="quotas.read")
    found = get_attachment(actor=page.actor, attachment_id=_parse("qat", attachment_id))
    return HttpResponse(
        bytes(found.content),
        content_type=found.content_type,
        headers={
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=found.name) or "attachment",
            "Cache-Control": "no-store",
        },
    )


def _branches(page: Page) -> Iterator[Branch]:
    names: dict[UUID, str] = {page.tenant.id: page.tenant.name, **{item.id: item.name for item in page.projects}}
    pending = list_pending_limits(actor=page.actor)
    rows = sorted(list_quotas(actor=page.actor), key=lambda row: _place(row, names))
    before: tuple[str, UUID, UUID | None] | None = None
    for row in rows:
        scope = (row.scope_kind, row.scope_id, row.within_project_id)
        yield Branch(
            quota=row,
            scope=names.get(row.scope_id, str(_("A member"))),
            depth=DEPTHS[row.scope_kind],
            free=max(0, row.limit - row.used),
            percent=100 * row.used // row.limit if row.limit else 100 if row.used else 0,
            pending=pending.get(row.id),
            is_first=scope != before,
        )
        before = scope


def _place(row: Quota, names: dict[UUID, str]) -> tuple[object, ...]:
    """Organization, then each project with its members below it, then members across projects."""
    project = row.scope_id if row.scope_kind == "project" else row.within_project_id
    is_across = row.scope_kind == "member" and project is None
    return (
        row.scope_kind != "tenant", is_across, names.get(project, "") if project else "", DEPTHS[row.scope_kind],
        str(row.scope_id), row.selector_kind != "any", row.selector, row.meter,
    )  # fmt: skip


def _papers(page: Page) -> list[Paper]:
    """Files of the form; one that is too large is read no further than needed to be refused."""
    files = page.request.FILES.getlist("attachments")
    return [Paper(name=file.name or "attachment", content=file.read(BYTES_MAX + 1)) for file in files]


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ValidationFailed(reason=_("A limit is a whole number, 0 or more."), pointer="/limit")
    return int(text)


def _day(text: str, *, pointer: str) -> datetime | None:
    return begin_of(parse_day(text=text, pointer=pointer)) if text else None


def _parse(prefix: str, text: str) -> UUID:
    try:
        return ids.parse_id(prefix=prefix, text=text)
    except ids.MalformedId as error:
        raise NotFound from error

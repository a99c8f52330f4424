"""Limits as a file: take it out, look at what another would do, do it as a whole."""

from collections.abc import Sequence
from typing import Final

from django.core import signing
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from marketplace.console.page import OperatorPage, operator_page
from marketplace.console.views.quota_requests import read_thresholds
from marketplace.journeys.quota_tree import read_line_names
from marketplace.kernel import clock
from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.ids import format_id
from marketplace.quotas.csv_file import BYTES_MAX, TARGET_PREFIX, read_rows, write_rows
from marketplace.quotas.models import ScopeKind
from marketplace.quotas.operations import (
    CHANGES_UNDONE_MAX,
    UNDO_WINDOW,
    BelowUse,
    PlannedEdit,
    apply_bulk,
    plan_bulk,
    refuse_errors,
)
from marketplace.quotas.queries import list_every_line

SALT: Final = "quota-file"
LOOKED_AT_S: Final = 3_600
"""What was looked at must be done within an hour."""
ROWS_SHOWN_MAX: Final = 200


@require_http_methods(["GET", "POST"])
@operator_page("quota-file")
def upload(page: OperatorPage) -> HttpResponse:
    """The form; with a file, what it would do. Nothing is written."""
    if page.request.method == "GET":
        return page.render("quota_file.html", title=_("Limits by file"))
    file = page.request.FILES.get("file")
    if file is None or (file.size or 0) > BYTES_MAX:
        raise ValidationFailed(reason=_("Choose a CSV file of at most 4 MiB."), pointer="/file")
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValidationFailed(reason=_("The file is not UTF-8; save it as CSV UTF-8."), pointer="/file") from error
    below_use = BelowUse.KEEP if page.request.POST.get("below_use") == "keep" else BelowUse.REFUSE
    rows, malformed = read_rows(text)
    plan = plan_bulk(rows=rows, below_use=below_use, thresholds=read_thresholds(), now=clock.now())
    errors = sorted([*malformed, *plan.errors], key=lambda error: error.number)
    return page.render(
        "quota_file.html",
        status=422 if errors else 200,
        title=_("Limits by file"),
        plan=plan,
        errors=errors,
        shown=_name(plan.edits[:ROWS_SHOWN_MAX]),
        changed=sum(item.before != item.edit.limit for item in plan.edits),
        second=sum(item.needs_second for item in plan.edits),
        seal="" if errors else signing.dumps({"text": text, "below_use": below_use.value}, salt=SALT, compress=True),
    )


def _name(edits: Sequence[PlannedEdit]) -> list[tuple[PlannedEdit, str, str]]:
    """Each edit with the organization's name, and the project's or member's."""
    names = read_line_names(lines=[item.edit.line for item in edits])
    return [
        (
            item,
            names.get(item.edit.line.tenant_id, ""),
            "" if item.edit.line.scope_kind == ScopeKind.TENANT else names.get(item.edit.line.scope_id, ""),
        )
        for item in edits
    ]


@require_POST
@operator_page("quota-file")
def apply(page: OperatorPage) -> HttpResponse:
    """Do what was looked at: all of it, or nothing."""
    reason, now = page.read_reason(), clock.now()
    try:
        sealed = signing.loads(page.request.POST.get("seal", ""), salt=SALT, max_age=LOOKED_AT_S)
    except signing.BadSignature as error:
        raise ValidationFailed(
            reason=_("Look at the file again; more than an hour has passed."), pointer="/file"
        ) from error
    rows, malformed = read_rows(sealed["text"])
    refuse_errors(errors=malformed)
    plan = apply_bulk(
        actor=page.actor,
        rows=rows,
        below_use=BelowUse(sealed["below_use"]),
        thresholds=read_thresholds(),
        reason=reason,
        now=now,
    )
    if len(plan.edits) <= CHANGES_UNDONE_MAX:
        page.offer_undo(what="quota-edits", key=now.isoformat(), until=now + UNDO_WINDOW)
    second = sum(item.needs_second for item in plan.edits)
    message = _("%(count)s limits were set; %(second)s wait for a second person.")
    return page.done(message % {"count": len(plan.edits) - second, "second": second}, to="console:quotas")


@require_GET
@operator_page("quota-file")
def download(page: OperatorPage) -> HttpResponse:  # noqa: ARG001 - the decorator's signature
    """Every permanent limit in the columns that an upload reads."""
    text = write_rows(
        {
            "organization": format_id(prefix="ten", value=row.tenant_id),
            "scope": row.scope_kind,
            "target": ""
            if row.scope_kind == "tenant"
            else format_id(prefix=TARGET_PREFIX[row.scope_kind], value=row.scope_id),
            "selector": row.selector or "any",
            "meter": row.meter,
            "limit": row.base_limit,
            "enforcement": row.enforcement,
            "name": row.tenant.name,
            "used": row.used,
        }
        for row in list_every_line().filter(within_project_id__isnull=True).iterator(chunk_size=2_000)
    )
    headers = {"Content-Disposition": 'attachment; filename="quotas.csv"', "Cache-Control": "no-store"}
    return HttpResponse("\ufeff" + text, content_type="text/csv; charset=utf-8", headers=headers)

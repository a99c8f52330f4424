"""The quota tree: shares of the platform and sectors, organizations and what is below them; edits one by one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from marketplace.console.page import OperatorPage, operator_page
from marketplace.console.views.quota_requests import read_thresholds
from marketplace.journeys.quota_tree import read_share_use, read_tenant_tree, read_use_of
from marketplace.kernel import clock
from marketplace.kernel.days import begin_of, parse_day
from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.ids import format_id
from marketplace.quotas.models import Enforcement, Meter, QuotaRequest, ScopeKind, SelectorKind, ShareScope
from marketplace.quotas.operations import (
    UNDO_WINDOW,
    BelowUse,
    LineKey,
    QuotaEdit,
    ShareEdit,
    edit_or_propose,
    revoke_period,
    revoke_share,
    set_share,
)
from marketplace.quotas.queries import list_tenant_lines
from marketplace.tenants.models import Sector

LINES_PER_PAGE: Final = 50
TARGET_PREFIXES: Final = {ScopeKind.PROJECT: "prj", ScopeKind.MEMBER: "usr"}


@require_GET
@operator_page("quotas")
def tree(page: OperatorPage) -> HttpResponse:
    """Shares with their use, then organizations by name."""
    wanted = page.request.GET.get("q", "").strip()[:100]
    offset_text = page.request.GET.get("offset", "0")
    offset = int(offset_text) if offset_text.isascii() and offset_text.isdigit() and len(offset_text) < 8 else 0
    lines = list_tenant_lines()
    if wanted:
        lines = lines.filter(tenant__name__icontains=wanted)
    shown = list(lines[offset : offset + LINES_PER_PAGE + 1])
    return page.render(
        "quotas.html",
        title=_("Quotas"),
        shares=read_share_use(now=clock.now()),
        lines=shown[:LINES_PER_PAGE],
        wanted=wanted,
        next_offset=offset + LINES_PER_PAGE if len(shown) > LINES_PER_PAGE else None,
        sectors=Sector.choices,
        **_choices(),
    )


@require_POST
@operator_page("quotas")
def change_share(page: OperatorPage) -> HttpResponse:
    """Set a share, permanent or for a period."""
    posted, now = page.request.POST, clock.now()
    sector = posted.get("sector", "")
    kind, selector = _selector(posted.get("selector", ""))
    meter = _one_of(Meter, posted.get("meter", ""), "/meter")
    edit = ShareEdit(
        scope_kind=ShareScope.SECTOR if sector else ShareScope.PLATFORM,
        sector=sector,
        selector_kind=kind,
        selector=selector,
        meter=meter,
        limit=_whole(posted.get("limit", ""), "/limit"),
        enforcement=_one_of(Enforcement, posted.get("enforcement", ""), "/enforcement"),
        overcommit_percent=_whole(posted.get("overcommit_percent", "100"), "/overcommit_percent"),
        below_use=_below_use(posted),
        **_period(posted),
    )
    set_share(
        actor=page.actor, edit=replace(edit, used=read_use_of(edit=edit, now=now)), reason=page.read_reason(), now=now
    )
    _offer_undo(page, now)
    return page.done(_("The share is set."), to="console:quotas")


@require_POST
@operator_page("quotas")
def end_share(page: OperatorPage, share_id: str) -> HttpResponse:
    """Nothing is limited there any more, or the permanent share holds again."""
    stored = page.read_id(prefix="qsh", text=share_id)
    now = clock.now()
    revoke_share(actor=page.actor, share_id=stored, reason=page.read_reason(), now=now)
    _offer_undo(page, now)
    return page.done(_("The share is revoked."), to="console:quotas")


@require_GET
@operator_page("quotas")
def tenant_quotas(page: OperatorPage, tenant_id: str) -> HttpResponse:
    """One organization's tree, its periods, and the form for an edit."""
    stored = page.read_id(prefix="ten", text=tenant_id)
    branch = read_tenant_tree(tenant_id=stored, now=clock.now())
    return page.render("quota_tenant.html", title=branch.tenant.name, branch=branch, **_choices())


@require_POST
@operator_page("quotas")
def change_quota(page: OperatorPage, tenant_id: str) -> HttpResponse:
    """Set a line, permanent or for a period; a large raise waits for a second person."""
    posted, now = page.request.POST, clock.now()
    stored = page.read_id(prefix="ten", text=tenant_id)
    kind, selector = _selector(posted.get("selector", ""))
    line = LineKey(
        tenant_id=stored,
        selector_kind=kind,
        selector=selector,
        meter=_one_of(Meter, posted.get("meter", ""), "/meter"),
        **_scope(page, stored, posted.get("scope", "")),
    )
    edit = QuotaEdit(
        line=line,
        limit=_whole(posted.get("limit", ""), "/limit"),
        enforcement=_one_of(Enforcement, posted.get("enforcement", ""), "/enforcement"),
        below_use=_below_use(posted),
        **_period(posted),
    )
    done = edit_or_propose(
        actor=page.actor,
        edit=edit,
        reason=page.read_reason(),
        thresholds=read_thresholds(),
        may_exceed_stock=posted.get("may_exceed_stock") == "yes",
        now=now,
    )
    if isinstance(done, QuotaRequest):
        proposed = format_id(prefix="qrq", value=done.id)
        page.offer_undo(what="quota-decision", key=proposed, until=now + UNDO_WINDOW)
    else:
        _offer_undo(page, now)
    message = (
        _("The raise is large; it waits in the inbox for a second person.")
        if isinstance(done, QuotaRequest)
        else _("The limit is set.")
    )
    return page.done(message, to="console:quota-tenant", tenant_id=tenant_id)


@require_POST
@operator_page("quotas")
def end_period(page: OperatorPage, tenant_id: str, period_id: str) -> HttpResponse:
    """The permanent limit holds again."""
    stored = page.read_id(prefix="qpr", text=period_id)
    now = clock.now()
    revoke_period(actor=page.actor, period_id=stored, reason=page.read_reason(), now=now)
    _offer_undo(page, now)
    return page.done(_("The period is revoked."), to="console:quota-tenant", tenant_id=tenant_id)


def _offer_undo(page: OperatorPage, now: datetime) -> None:
    page.offer_undo(what="quota-edits", key=now.isoformat(), until=now + UNDO_WINDOW)


def _choices() -> dict[str, Any]:
    return {"meters": Meter.choices, "enforcements": Enforcement.choices}


def _scope(page: OperatorPage, tenant_id: UUID, text: str) -> dict[str, Any]:
    """`tenant`, or the id of a project or member."""
    if text in {"", "tenant"}:
        return {"scope_kind": ScopeKind.TENANT, "scope_id": tenant_id}
    kind = ScopeKind.PROJECT if text.startswith("prj_") else ScopeKind.MEMBER
    return {"scope_kind": kind, "scope_id": page.read_id(prefix=TARGET_PREFIXES[kind], text=text)}


def _selector(text: str) -> tuple[SelectorKind, str]:
    if text in {"", "any"}:
        return SelectorKind.ANY, ""
    return (SelectorKind.KIND, text) if text in {"gpu", "npu"} else (SelectorKind.ACCELERATOR, text)


def _one_of(choices: Any, text: str, pointer: str) -> Any:
    if text not in choices.values:
        raise ValidationFailed(reason=_("Choose one of the list."), pointer=pointer)
    return choices(text)


def _whole(text: str, pointer: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ValidationFailed(reason=_("A limit is a whole number, 0 or more."), pointer=pointer)
    return int(text)


def _below_use(posted: Mapping[str, str]) -> BelowUse:
    return BelowUse.KEEP if posted.get("below_use") == "keep" else BelowUse.REFUSE


def _period(posted: Mapping[str, str]) -> dict[str, Any]:
    return {
        "effective_from": _day(posted.get("from", ""), pointer="/from"),
        "effective_to": _day(posted.get("to", ""), pointer="/to"),
    }


def _day(text: str, *, pointer: str) -> datetime | None:
    return begin_of(parse_day(text=text, pointer=pointer)) if text else None

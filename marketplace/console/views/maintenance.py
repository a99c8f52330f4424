"""Maintenance: what is planned, the form that shows whom it concerns before it is saved, change, call off, end and extend."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from marketplace.console.page import OperatorPage, operator_page
from marketplace.inventory.maintenance import (
    MaintenanceInvalid,
    cancel_maintenance,
    change_maintenance,
    check_times,
    default_close,
    end_maintenance,
    extend_maintenance,
    list_windows,
    plan_maintenance,
)
from marketplace.inventory.models import Cluster, Drain, MaintenanceWindow, Node, Site
from marketplace.journeys.maintain import preview_window
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import savepoint
from marketplace.kernel.days import parse_instant
from marketplace.kernel.errors import NotFound, OndolError

WINDOWS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class WindowForm:
    """As typed; kept when it is refused.

    Attributes:
        place: `site:pangyo`, `cluster:pangyo-1` or `node:nod_…`.
    """

    place: str = ""
    starts_at: str = ""
    ends_at: str = ""
    closes_at: str = ""
    drain: str = Drain.MOVE.value
    notice_ko: str = ""
    notice_en: str = ""
    reason: str = ""


@require_http_methods(["GET", "POST"])
@operator_page("maintenance")
def maintenance(page: OperatorPage) -> HttpResponse:
    """What is planned, and the form for more; a POST previews, and saves only with `act=save`."""
    now = clock.now()
    node = _find_node(page, page.request.GET.get("node", ""))
    form = WindowForm(place=_node_place(node)) if page.request.method == "GET" and node else _read_form(page)
    shown: dict[str, Any] = {}
    error: OndolError | None = None
    if page.request.method == "POST":
        try:
            draft = _draft(page, form, now=now)
            shown = _preview(draft)
            if page.request.POST.get("act") == "save":
                with savepoint():
                    saved = plan_maintenance(
                        actor=page.actor, site_id=draft.site_id, cluster_id=draft.cluster_id, node_id=draft.node_id,
                        reason=page.read_reason(), now=now, **_members(draft),
                    )  # fmt: skip
                return page.done(_("The maintenance is announced."), to="console:window", window_id=_public(saved.id))
        except OndolError as refused:
            error = refused
    windows = [{"row": row, "state": state_of(row, now=now)} for row in list_windows(now=now)[:WINDOWS_MAX]]
    return page.render(
        "maintenance.html",
        title=_("Maintenance"),
        status=error.http_status if error else 200,
        windows=windows,
        sites=Site.objects.order_by("code"),
        clusters=Cluster.objects.exclude(status="removed").order_by("name"),
        node=node or _find_node(page, form.place.removeprefix("node:")),
        form=form,
        error=error,
        drains=Drain.choices,
        **shown,
    )


@require_http_methods(["GET", "POST"])
@operator_page("maintenance")
def window(page: OperatorPage, window_id: str) -> HttpResponse:
    """One window: whom it concerns now, and its change as long as it has not begun."""
    now, row = clock.now(), _get(page, window_id)
    form = _read_form(page) if page.request.method == "POST" else _form_of(row)
    shown, error = _preview(row), None
    is_preview = False
    if page.request.method == "POST":
        try:
            draft = _draft(page, form, now=now, row=row)
            shown, is_preview = _preview(draft), True
            if page.request.POST.get("act") == "save":
                with savepoint():
                    change_maintenance(
                        actor=page.actor, window_id=row.id, reason=page.read_reason(), now=now, **_members(draft)
                    )
                return page.done(_("The maintenance was changed."), to="console:window", window_id=window_id)
        except OndolError as refused:
            error = refused
    return page.render(
        "maintenance_window.html",
        title=_("Maintenance of %(place)s") % {"place": row.place_name},
        status=error.http_status if error else 200,
        row=row,
        public_id=window_id,
        state=state_of(row, now=now),
        form=form,
        error=error,
        drains=Drain.choices,
        is_preview=is_preview,
        acts=[(name, label) for name, label in ACTS.items() if _may(row, name, now=now)],
        may_change=_may(row, "cancel", now=now),
        **shown,
    )


ACTS: Final[Mapping[str, Promise]] = {
    "cancel": gettext_lazy("Call the maintenance off"),
    "end": gettext_lazy("End the maintenance now"),
    "extend": gettext_lazy("Extend the maintenance"),
}


@require_http_methods(["GET", "POST"])
@operator_page("maintenance")
def window_act(page: OperatorPage, window_id: str, act: str) -> HttpResponse:
    """Call off, end or extend; with what it means."""
    now, row = clock.now(), _get(page, window_id)
    if act not in ACTS or not _may(row, act, now=now):
        raise NotFound
    error: OndolError | None = None
    ends_at = page.request.POST.get("ends_at", "")[:40]
    if page.request.method == "POST":
        try:
            with savepoint():
                message = _perform(page, row, act, ends_at=ends_at, now=now)
            return page.done(message, to="console:window", window_id=window_id)
        except OndolError as refused:
            error = refused
    return page.render(
        "maintenance_act.html",
        title=f"{ACTS[act]}: {row.place_name}",
        status=error.http_status if error else 200,
        row=row,
        public_id=window_id,
        act=act,
        button=ACTS[act],
        ends_at=ends_at or _typed(row.ends_at),
        error=error,
        **_preview(row),
    )


def state_of(row: MaintenanceWindow, *, now: datetime) -> tuple[str, str]:
    """What a window is now, and its tone."""
    if row.cancelled_at is not None:
        return _("Called off"), ""
    if row.ended_at is not None or row.ends_at <= now:
        return _("Over"), ""
    if row.starts_at <= now:
        return _("Under way"), "critical"
    return (_("Closed for new instances"), "warning") if row.closes_at <= now else (_("Planned"), "info")


def _may(row: MaintenanceWindow, act: str, *, now: datetime) -> bool:
    is_open = row.cancelled_at is None and row.ended_at is None and row.ends_at > now
    has_begun = row.starts_at <= now
    return is_open and {"cancel": not has_begun, "end": has_begun, "extend": True}[act]


def _perform(page: OperatorPage, row: MaintenanceWindow, act: str, *, ends_at: str, now: datetime) -> str:
    reason = page.read_reason()
    given: dict[str, Any] = {"actor": page.actor, "window_id": row.id, "reason": reason, "now": now}
    acts: Mapping[str, tuple[Callable[..., MaintenanceWindow], str]] = {
        "cancel": (cancel_maintenance, _("The maintenance is called off.")),
        "end": (end_maintenance, _("The maintenance is over; the place is on sale and billed again.")),
        "extend": (extend_maintenance, _("The maintenance is extended.")),
    }
    if act == "extend":
        given["ends_at"] = parse_instant(text=ends_at, pointer="/ends_at")
    acts[act][0](**given)
    return acts[act][1]


def _preview(row: MaintenanceWindow) -> dict[str, Any]:
    effect, told = preview_window(window=row)
    return {"draft": row, "effect": effect, "told": told}


def _draft(
    page: OperatorPage, form: WindowForm, *, now: datetime, row: MaintenanceWindow | None = None
) -> MaintenanceWindow:
    """The window as it would be saved.

    Raises:
        ValidationFailed, MaintenanceInvalid: Names the member that is wrong.
    """
    starts_at = parse_instant(text=form.starts_at, pointer="/starts_at")
    ends_at = parse_instant(text=form.ends_at, pointer="/ends_at")
    closes_at = (
        parse_instant(text=form.closes_at, pointer="/closes_at")
        if form.closes_at
        else default_close(starts_at=starts_at, now=now)
    )
    check_times(closes_at=closes_at, starts_at=starts_at, ends_at=ends_at, now=now)
    if form.drain not in Drain.values:
        raise MaintenanceInvalid(reason=_("Choose what happens to running instances."), pointer="/drain")
    place = (
        {"site": row.site, "cluster": row.cluster, "node": row.node}
        if row is not None
        else _read_place(page, form.place)
    )
    return MaintenanceWindow(
        **place, closes_at=closes_at, starts_at=starts_at, ends_at=ends_at, drain=form.drain, notice_ko=form.notice_ko,
        notice_en=form.notice_en,
    )  # fmt: skip


def _members(draft: MaintenanceWindow) -> dict[str, Any]:
    return {
        "closes_at": draft.closes_at, "starts_at": draft.starts_at, "ends_at": draft.ends_at, "drain": Drain(draft.drain),
        "notice_ko": draft.notice_ko, "notice_en": draft.notice_en,
    }  # fmt: skip


def _read_place(page: OperatorPage, text: str) -> dict[str, Site | Cluster | Node | None]:
    kind, _colon, name = text.partition(":")
    if kind == "site" and (site := Site.objects.filter(code=name).first()):
        return {"site": site}
    if kind == "cluster" and (cluster := Cluster.objects.select_related("site").filter(name=name).first()):
        return {"cluster": cluster}
    if kind == "node" and (node := _find_node(page, name)):
        return {"node": node}
    raise MaintenanceInvalid(reason=_("Choose one site, cluster or node."), pointer="/place")


def _find_node(page: OperatorPage, public_id: str) -> Node | None:
    if not public_id.startswith("nod_"):
        return None
    wanted = page.read_id(prefix="nod", text=public_id)
    return Node.objects.select_related("cluster__site").filter(id=wanted).first()


def _node_place(node: Node) -> str:
    return f"node:{ids.format_id(prefix='nod', value=node.id)}"


def _read_form(page: OperatorPage) -> WindowForm:
    given = page.request.POST
    return WindowForm(
        **{item.name: given.get(item.name, str(item.default)).strip()[:1_000] for item in fields(WindowForm)}
    )


def _form_of(row: MaintenanceWindow) -> WindowForm:
    return WindowForm(
        starts_at=_typed(row.starts_at), ends_at=_typed(row.ends_at), closes_at=_typed(row.closes_at), drain=row.drain,
        notice_ko=row.notice_ko, notice_en=row.notice_en,
    )  # fmt: skip


def _typed(instant: datetime) -> str:
    """As a form's clock wants it."""
    return instant.astimezone(clock.KST).strftime("%Y-%m-%dT%H:%M")


def _get(page: OperatorPage, window_id: str) -> MaintenanceWindow:
    wanted = page.read_id(prefix="mnt", text=window_id)
    rows = MaintenanceWindow.objects.select_related("site", "cluster__site", "node__cluster__site")
    found = rows.filter(id=wanted).first()
    if found is None:
        raise NotFound
    return found


def _public(value: UUID) -> str:
    return ids.format_id(prefix="mnt", value=value)

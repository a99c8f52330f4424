"""Every write of a maintenance window; what runs in it is told and moved by `journeys.maintain`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import Cluster, Drain, MaintenanceWindow, Node, Site
from marketplace.inventory.outages import close_maintenance, open_maintenance
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, OndolError, ValidationFailed

LENGTH_MAX: Final = timedelta(days=14)
AHEAD_MAX: Final = timedelta(days=366)


class MaintenanceInvalid(ValidationFailed):
    """Inverted, too long, in the past, overlapping, or of no one place."""

    code = "maintenance_invalid"


class MaintenanceOver(OndolError):
    """It has begun, or is over: what happened is not changed."""

    code = "maintenance_over"
    http_status = 409
    title = _("The maintenance has already begun or is over.")
    remedy = _("End it instead, or plan another one.")


def plan_maintenance(
    *,
    actor: Actor,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    now: datetime,
    closes_at: datetime | None = None,
    drain: Drain = Drain.MOVE,
    site_id: UUID | None = None,
    cluster_id: UUID | None = None,
    node_id: UUID | None = None,
    notice_ko: str = "",
    notice_en: str = "",
) -> MaintenanceWindow:
    """Plan work on one node, cluster or site; audited.

    Args:
        closes_at: From when on nothing new is placed there; default: from now on if it starts within the hour, else an hour before.

    Raises:
        MaintenanceInvalid: Names the member that is wrong.

    Locks the place's row.
    """
    place = {"site_id": site_id, "cluster_id": cluster_id, "node_id": node_id}
    named = {name: value for name, value in place.items() if value is not None}
    if len(named) != 1:
        raise MaintenanceInvalid(reason=_("Choose one site, cluster or node."), pointer="/place")
    closes = closes_at or default_close(starts_at=starts_at, now=now)
    check_times(closes_at=closes, starts_at=starts_at, ends_at=ends_at, now=now)
    _lock_place(site_id=site_id, cluster_id=cluster_id, node_id=node_id)
    _check_overlap(place=named, starts_at=starts_at, ends_at=ends_at)
    window = MaintenanceWindow.objects.create(
        **place, closes_at=closes, starts_at=starts_at, ends_at=ends_at, drain=drain, reason=reason,
        notice_ko=notice_ko, notice_en=notice_en, planned_at=now, planned_by=actor.name,
    )  # fmt: skip
    record_act(
        actor=actor, action="maintenance.planned", object_type="mnt", object_id=window.id, reason=reason, now=now,
        changes={
            **{name: str(value) for name, value in named.items()},
            "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat(), "drain": drain.value,
        },
    )  # fmt: skip
    return window


def default_close(*, starts_at: datetime, now: datetime) -> datetime:
    """From when on nothing new is placed unless somebody says otherwise: an hour before, or at once when it starts sooner."""
    return max(now, starts_at - timedelta(hours=1))


def check_times(*, closes_at: datetime, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    """Refuse a window that could not be.

    Raises:
        MaintenanceInvalid: Names the member that is wrong.
    """
    checks = (
        (starts_at >= now, "/starts_at", _("It cannot begin in the past.")),
        (starts_at < ends_at, "/ends_at", _("It ends before it begins.")),
        (ends_at - starts_at <= LENGTH_MAX, "/ends_at", _("It lasts 14 days at most.")),
        (starts_at - now <= AHEAD_MAX, "/starts_at", _("It begins within a year.")),
        (closes_at <= starts_at, "/closes_at", _("Placing ends no later than the work begins.")),
    )
    for is_fine, pointer, message in checks:
        if not is_fine:
            raise MaintenanceInvalid(reason=message, pointer=pointer)


def _check_overlap(
    *, place: Mapping[str, UUID], starts_at: datetime, ends_at: datetime, besides: UUID | None = None
) -> None:
    overlapping = MaintenanceWindow.objects.filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=starts_at),
        **place, cancelled_at__isnull=True, starts_at__lt=ends_at, ends_at__gt=starts_at,
    )  # fmt: skip
    if any(found != besides for found in overlapping.values_list("id", flat=True)):
        raise MaintenanceInvalid(reason=_("Another maintenance of the same place overlaps."), pointer="/starts_at")


def change_maintenance(
    *,
    actor: Actor,
    window_id: UUID,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    now: datetime,
    closes_at: datetime | None = None,
    drain: Drain = Drain.MOVE,
    notice_ko: str = "",
    notice_en: str = "",
) -> MaintenanceWindow:
    """Change what has not begun; its place stays. Whom it concerns is told anew. Audited with what was before.

    Raises:
        NotFound: No such window.
        MaintenanceOver: It has begun, or was called off.
        MaintenanceInvalid: Names the member that is wrong.

    Locks the place's row, then the window.
    """
    seen = MaintenanceWindow.objects.filter(id=window_id).first()
    if seen is None:
        raise NotFound
    _lock_place(site_id=seen.site_id, cluster_id=seen.cluster_id, node_id=seen.node_id)
    window = _lock_window(window_id)
    if window.cancelled_at is not None or window.starts_at <= now:
        raise MaintenanceOver
    closes = closes_at or default_close(starts_at=starts_at, now=now)
    check_times(closes_at=closes, starts_at=starts_at, ends_at=ends_at, now=now)
    place = {"site_id": window.site_id, "cluster_id": window.cluster_id, "node_id": window.node_id}
    named = {name: value for name, value in place.items() if value is not None}
    _check_overlap(place=named, starts_at=starts_at, ends_at=ends_at, besides=window.id)
    wanted = {
        "closes_at": closes, "starts_at": starts_at, "ends_at": ends_at, "drain": drain, "notice_ko": notice_ko,
        "notice_en": notice_en,
    }  # fmt: skip
    changes = {
        name: [_as_text(getattr(window, name)), _as_text(value)]
        for name, value in wanted.items()
        if getattr(window, name) != value
    }
    for name, value in wanted.items():
        setattr(window, name, value)
    window.save(update_fields=list(wanted))
    record_act(
        actor=actor, action="maintenance.changed", object_type="mnt", object_id=window.id, reason=reason, now=now,
        changes=changes,
    )  # fmt: skip
    return window


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def list_windows(*, now: datetime, past_days: int = 30) -> QuerySet[MaintenanceWindow]:
    """Those that are to come or under way, and those of the last days; the latest start first."""
    rows = MaintenanceWindow.objects.filter(ends_at__gt=now - timedelta(days=past_days))
    return rows.select_related("site", "cluster__site", "node__cluster__site").order_by("-starts_at", "-id")


def cancel_maintenance(*, actor: Actor, window_id: UUID, reason: str, now: datetime) -> MaintenanceWindow:
    """Call off what has not begun. Safe to repeat.

    Raises:
        NotFound: No such window.
        MaintenanceOver: It has begun.

    Locks the window.
    """
    window = _lock_window(window_id)
    if window.cancelled_at is not None:
        return window
    if window.starts_at <= now:
        raise MaintenanceOver
    window.cancelled_at = now
    window.save(update_fields=["cancelled_at"])
    record_act(
        actor=actor, action="maintenance.cancelled", object_type="mnt", object_id=window.id, reason=reason, now=now
    )
    return window


def end_maintenance(*, actor: Actor, window_id: UUID, reason: str, now: datetime) -> MaintenanceWindow:
    """The work is done before its time: the place is on sale and billed again from now on. Safe to repeat.

    Raises:
        NotFound: No such window.
        MaintenanceOver: It has not begun, or was over anyway.

    Locks the window.
    """
    window = _lock_window(window_id)
    if window.ended_at is not None:
        return window
    if window.cancelled_at is not None or not window.starts_at < now < window.ends_at:
        raise MaintenanceOver
    window.ended_at = now
    window.save(update_fields=["ended_at"])
    record_act(actor=actor, action="maintenance.ended", object_type="mnt", object_id=window.id, reason=reason, now=now)
    return window


def extend_maintenance(
    *, actor: Actor, window_id: UUID, ends_at: datetime, reason: str, now: datetime
) -> MaintenanceWindow:
    """The work takes longer.

    Raises:
        NotFound: No such window.
        MaintenanceOver: It is over.
        MaintenanceInvalid: Not later than planned, or too long.

    Locks the window.
    """
    window = _lock_window(window_id)
    if window.cancelled_at is not None or window.ended_at is not None or window.ends_at <= now:
        raise MaintenanceOver
    if not window.ends_at < ends_at <= window.starts_at + LENGTH_MAX:
        raise MaintenanceInvalid(reason=_("It ends later than planned, and lasts 14 days at most."), pointer="/ends_at")
    before, window.ends_at = window.ends_at, ends_at
    window.save(update_fields=["ends_at"])
    record_act(
        actor=actor, action="maintenance.extended", object_type="mnt", object_id=window.id, reason=reason, now=now,
        changes={"ends_at": [before.isoformat(), ends_at.isoformat()]},
    )  # fmt: skip
    return window


def mark_drained(*, window_id: UUID, now: datetime) -> None:
    """What ran there has been told to move. Safe to repeat."""
    MaintenanceWindow.objects.filter(id=window_id, drained_at__isnull=True).update(drained_at=now)


def record_outages(*, now: datetime) -> int:
    """Open an outage for each window that has begun and close it for each that is over, for the meter; how many. Safe to repeat.

    It begins and ends when the work did, however late this is called. Locks the windows.
    """
    windows = (
        MaintenanceWindow.objects.select_for_update(no_key=True, of=("self",))
        .select_related("outage", "node__cluster", "cluster")
        .filter(
            Q(outage__isnull=True) | Q(outage__ended_at__isnull=True), cancelled_at__isnull=True, starts_at__lte=now
        )
        .order_by("ends_at", "id")
    )
    changed = 0
    for window in windows:
        ended_at = window.ended_at or window.ends_at
        outage = window.outage
        if outage is None:
            outage = window.outage = open_maintenance(
                place=_place_of(window), started_at=window.starts_at, now=now,
                evidence={"maintenance": str(window.id), "reason": window.reason},
            )  # fmt: skip
            window.save(update_fields=["outage"])
            changed += 1
        if ended_at <= now and close_maintenance(outage_id=outage.id, ended_at=ended_at):
            changed += 1
    return changed


def _place_of(window: MaintenanceWindow) -> dict[str, UUID | None]:
    cluster = window.node.cluster if window.node is not None else window.cluster
    return {
        "site_id": window.site_id if cluster is None else cluster.site_id,
        "cluster_id": None if cluster is None else cluster.id,
        "node_id": window.node_id,
    }


def _lock_window(window_id: UUID) -> MaintenanceWindow:
    window = MaintenanceWindow.objects.select_for_update(no_key=True).filter(id=window_id).first()
    if window is None:
        raise NotFound
    return window


def _lock_place(*, site_id: UUID | None, cluster_id: UUID | None, node_id: UUID | None) -> None:
    """So that two plans for one place do not overlap unseen."""
    for model, key in ((Site, site_id), (Cluster, cluster_id), (Node, node_id)):
        if key is not None and model.objects.select_for_update(no_key=True).filter(id=key).first() is None:
            raise NotFound

"""Clearing nodes: who is told, what is stopped and queued again, for planned maintenance and for a drain by hand.

Every step may run twice. Whom it concerns is read anew at each pass: an instance that was placed, or ended, since then counts.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils import translation

from marketplace.instances.occupants import Occupant, list_occupants
from marketplace.instances.operations import begin_stopping
from marketplace.instances.states import Reason, State
from marketplace.inventory.maintenance import mark_drained, record_outages
from marketplace.inventory.models import Drain, MaintenanceWindow, Node
from marketplace.inventory.quarantine import set_cordon
from marketplace.journeys.notice_texts import describe_notice
from marketplace.journeys.stock_effects import Effect, read_effect
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor, as_actor, system_actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.models import Notice, Severity
from marketplace.kernel.notices import raise_notice, resolve_notice

ACTOR: Final = system_actor("maintenance")
SEOUL: Final = ZoneInfo("Asia/Seoul")
_PLANNED_KEY: Final = "maintenance:"
_DRAINED_KEY: Final = "drained:"


def place_of(window: MaintenanceWindow) -> Q:
    """A condition on allocations: those on nodes of the window."""
    if window.node_id is not None:
        return Q(stock__node_id=window.node_id)
    if window.cluster_id is not None:
        return Q(stock__node__cluster_id=window.cluster_id)
    return Q(stock__node__cluster__site_id=window.site_id)


def maintain(*, now: datetime) -> int:
    """Tell whom a window concerns and clear nodes whose time has come; how many instances were stopped.

    Opens its own transactions; safe to repeat and to kill anywhere. Locks instances one by one.
    """
    with as_actor(ACTOR):
        record_outages(now=now)
        windows = list(
            MaintenanceWindow.objects.filter(cancelled_at__isnull=True, ended_at__isnull=True, ends_at__gt=now)
            .select_related("site", "cluster__site", "node__cluster__site")
            .order_by("starts_at", "id")
        )
        affected = {window.id: list_occupants(place=place_of(window)) for window in windows}
        _tell(windows, affected, now=now)
    stopped = 0
    for window in windows:
        if window.starts_at <= now and window.drained_at is None and window.drain == Drain.MOVE:
            for item in affected[window.id]:
                stopped += _clear(item, reason=Reason.MAINTENANCE, since=window.starts_at, now=now)
            with as_actor(ACTOR):
                if not list_occupants(place=place_of(window)):
                    mark_drained(window_id=window.id, now=now)
    return stopped


def drain_node(*, actor: Actor, node_id: UUID, reason: str, now: datetime) -> int:
    """Have nothing new placed on a node, and stop what runs there so that it is queued for another; how many instances.

    Their customers are told. Safe to repeat. Requires an open staff transaction.

    Raises:
        NotFound: No such node.

    Locks the node, then its instances one by one.
    """
    node = set_cordon(actor=actor, node_id=node_id, is_cordoned=True, reason=reason, now=now)
    affected = list_occupants(place=Q(stock__node_id=node_id))
    for tenant_id, items in _by_tenant(affected).items():
        raise_notice(
            key=f"{_DRAINED_KEY}{node.id}:{tenant_id}", code="node.drained", severity=Severity.WARNING,
            tenant_id=tenant_id, object_type="nod", object_id=node.id, now=now,
            facts={"count": len(items), "names": _names(items)},
        )  # fmt: skip
    stopped = sum(_stop(item, reason=Reason.DRAINED, since=now, now=now) for item in affected)
    record_act(
        actor=actor, action="node.drained", object_type="nod", object_id=node.id, reason=reason, now=now,
        changes={"instances": stopped},
    )  # fmt: skip
    return stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldCustomer:
    """An organization that a window concerns, and what it would read, by language."""

    tenant: str
    instances: int
    texts: Mapping[str, str]


def preview_window(*, window: MaintenanceWindow) -> tuple[Effect, tuple[ToldCustomer, ...]]:
    """Whom a window concerns as things stand, saved or not, and the notice that each would get; writes nothing."""
    place = place_of(window)
    effect = read_effect(place=place)
    names = {item.tenant_id: item.tenant for item in effect.on_nodes}
    told = [
        ToldCustomer(tenant=names[tenant_id], instances=len(items), texts=_read_out(window, items))
        for tenant_id, items in _by_tenant(list_occupants(place=place)).items()
    ]
    return effect, tuple(sorted(told, key=lambda item: item.tenant))


def _read_out(window: MaintenanceWindow, items: Sequence[Occupant]) -> Mapping[str, str]:
    notice = Notice(code=f"maintenance.{window.drain}", facts=_facts(window, items))
    found = {}
    for language in ("ko", "en"):
        with translation.override(language):
            described = describe_notice(notice)
            found[language] = f"{described.message} {described.remedy}"
    return found


def _tell(windows: Sequence[MaintenanceWindow], affected: Mapping[UUID, Sequence[Occupant]], *, now: datetime) -> None:
    """One notice per window and tenant that has something there; those it no longer concerns are closed."""
    due: set[str] = set()
    for window in windows:
        for tenant_id, items in _by_tenant(affected[window.id]).items():
            key = f"{_PLANNED_KEY}{window.id}:{tenant_id}"
            due.add(key)
            raise_notice(
                key=key, code=f"maintenance.{window.drain}", severity=Severity.WARNING, tenant_id=tenant_id,
                object_type="mnt", object_id=window.id, now=now, facts=_facts(window, items),
            )  # fmt: skip
    open_keys = Notice.objects.filter(key__startswith=_PLANNED_KEY, resolved_at__isnull=True)
    for key in set(open_keys.values_list("key", flat=True)) - due:
        resolve_notice(key=key, now=now)
    drained = Notice.objects.filter(key__startswith=_DRAINED_KEY, resolved_at__isnull=True)
    back = set(Node.objects.filter(cordoned_at__isnull=True).values_list("id", flat=True)) if drained else set()
    for notice in drained:
        if notice.object_id in back:
            resolve_notice(key=notice.key, now=now)


def _facts(window: MaintenanceWindow, items: Sequence[Occupant]) -> dict[str, str | int]:
    site = (
        window.site
        or (window.cluster.site if window.cluster else None)
        or (window.node.cluster.site if window.node else None)
    )
    return {
        "site": site.name_ko if site else "",
        "starts_at": _kst(window.starts_at),
        "ends_at": _kst(window.ends_at),
        "count": len(items),
        "names": _names(items),
        "notice": " ".join(part for part in (window.notice_ko, window.notice_en) if part),
    }


def _kst(instant: datetime) -> str:
    return f"{instant.astimezone(SEOUL):%Y-%m-%d %H:%M} (KST)"


def _names(items: Sequence[Occupant]) -> str:
    """At most five names: a notice is read on a phone."""
    names = [item.name for item in items]
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _by_tenant(items: Sequence[Occupant]) -> Mapping[UUID, list[Occupant]]:
    found: defaultdict[UUID, list[Occupant]] = defaultdict(list)
    for item in items:
        found[item.tenant_id].append(item)
    return found


def _clear(item: Occupant, *, reason: Reason, since: datetime, now: datetime) -> bool:
    with as_actor(ACTOR):
        return _stop(item, reason=reason, since=since, now=now)


def _stop(item: Occupant, *, reason: Reason, since: datetime, now: datetime) -> bool:
    """The meter ends when the work began, not when the sweep noticed; never before the run did."""
    occurred_at = clock.floor_to_second(min(since, now))
    if item.state == State.RUNNING and item.started_at is not None:
        occurred_at = max(occurred_at, item.started_at)
    return begin_stopping(
        instance_id=item.instance_id, attempt=item.attempt, reason=reason, occurred_at=occurred_at, now=now,
        trigger="maintenance",
    )  # fmt: skip

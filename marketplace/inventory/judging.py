"""Health of nodes brought up to date, and the quarantines that follow by themselves. Repeatable; a sweep and a hint call it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Max

from marketplace.inventory import health
from marketplace.inventory.health import Cause, DeviceCount, Finding, Health, NodeState, VersionUse
from marketplace.inventory.models import Component, IncidentKind, Node, NodeIncident, NodeStock, Quarantine
from marketplace.inventory.quarantine import (
    VERSION_FIELD,
    quarantine_devices,
    quarantine_node,
    quarantine_version,
    release_quarantine,
)
from marketplace.kernel.actors import Actor
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice, resolve_notice

_INCIDENT_OF: Final = {
    Cause.FAILED_STARTS: IncidentKind.START_FAILED,
    Cause.FLAPPING: IncidentKind.LOST,
    Cause.CONDITION: IncidentKind.CONDITION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one pass did."""

    changed: int
    quarantined: int
    released: int


def judge_nodes(*, actor: Actor, now: datetime) -> Judged:
    """Judge every node of every cluster, take out of sale what must be, tell operators. Requires an open staff transaction.

    Safe to repeat and to run twice at once. Locks nodes one by one.
    """
    nodes = list(Node.objects.filter(removed_at__isnull=True).select_related("cluster").order_by("id"))
    stock: defaultdict[UUID, list[NodeStock]] = defaultdict(list)
    for row in NodeStock.objects.filter(node__removed_at__isnull=True).select_related("accelerator").order_by("id"):
        stock[row.node_id].append(row)
    released_at = _read_releases()
    counted = _count_incidents(released_at, now=now)
    found: dict[UUID, tuple[Finding, ...]] = {}
    changed = 0
    for node in nodes:
        counts = counted.get(node.id, Counter())
        level, findings = health.judge(_state(node, stock[node.id], counts), now=now)
        found[node.id] = findings
        changed += _record(node, level, findings, now=now)
    quarantined = _quarantine_nodes(actor, nodes, found, counted, now=now)
    quarantined += _quarantine_versions(actor, nodes, stock, found, now=now)
    quarantined += _quarantine_missing(actor, stock, now=now)
    return Judged(changed=changed, quarantined=quarantined, released=_release_mended(actor, stock, now=now))


def _read_releases() -> Mapping[UUID, datetime]:
    """When each node was last released by somebody: what came before does not count again."""
    rows = Quarantine.objects.filter(node__isnull=False, released_at__isnull=False).values("node_id")
    return {row["node_id"]: row["at"] for row in rows.annotate(at=Max("released_at"))}


def _count_incidents(released_at: Mapping[UUID, datetime], *, now: datetime) -> Mapping[UUID, Counter[str]]:
    counted: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    rows = NodeIncident.objects.filter(occurred_at__gt=now - health.INCIDENT_WINDOW, occurred_at__lte=now)
    for node_id, kind, at in rows.values_list("node_id", "kind", "occurred_at"):
        if node_id not in released_at or at > released_at[node_id]:
            counted[node_id][kind] += 1
    return counted


def _state(node: Node, rows: Iterable[NodeStock], counts: Counter[str]) -> NodeState:
    return NodeState(
        is_ready=node.is_ready,
        not_ready_since=node.not_ready_since,
        conditions=node.conditions,
        devices=[
            DeviceCount(
                accelerator=row.accelerator.code, capacity=row.capacity_devices, allocatable=row.allocatable_devices
            )
            for row in rows
        ],
        failed_starts=counts[IncidentKind.START_FAILED],
        losses=counts[IncidentKind.LOST],
    )


def _record(node: Node, level: Health, findings: Sequence[Finding], *, now: datetime) -> bool:
    causes = [finding.as_json() for finding in findings]
    if node.health == level and node.health_causes == causes:
        return False
    fields: dict[str, object] = {"health": level.value, "health_causes": causes}
    if node.health != level:
        fields["health_changed_at"] = now
    Node.objects.filter(id=node.id).update(**fields)
    key = f"node-failed:{node.id}"
    if level is Health.FAILED:
        raise_notice(
            key=key, code="node.failed", severity=Severity.WARNING, object_type="nod", object_id=node.id, now=now,
            facts={"node": node.name, "cluster": node.cluster.name, "cause": findings[0].cause.value},
        )  # fmt: skip
    else:
        resolve_notice(key=key, now=now)
    return True


def _quarantine_nodes(
    actor: Actor,
    nodes: Sequence[Node],
    found: Mapping[UUID, tuple[Finding, ...]],
    counted: Mapping[UUID, Counter[str]],
    *,
    now: datetime,
) -> int:
    """Those that Kubernetes would go on using, up to a share of each cluster; beyond it a person decides."""
    in_quarantine = set(
        Quarantine.objects.filter(node__isnull=False, released_at__isnull=True).values_list("node_id", flat=True)
    )
    size = Counter(node.cluster_id for node in nodes)
    out = Counter(node.cluster_id for node in nodes if node.id in in_quarantine)
    done = 0
    for node in nodes:
        finding = next((item for item in found[node.id] if _calls_for_quarantine(item, counted.get(node.id))), None)
        if finding is None or node.id in in_quarantine:
            continue
        key = f"quarantine-halted:{node.cluster_id}"
        if not health.may_quarantine(nodes=size[node.cluster_id], quarantined=out[node.cluster_id]):
            raise_notice(
                key=key, code="quarantine.halted", severity=Severity.CRITICAL, object_type="clu",
                object_id=node.cluster_id, now=now, facts={"cluster": node.cluster.name, "count": out[node.cluster_id]},
            )  # fmt: skip
            continue
        quarantine_node(
            actor=actor, node_id=node.id, reason=f"automatic: {finding.cause.value}", cause=finding.cause,
            facts=finding.as_json(), now=now,
        )  # fmt: skip
        out[node.cluster_id] += 1
        done += 1
    return done


def _calls_for_quarantine(finding: Finding, counts: Counter[str] | None) -> bool:
    """A failure that Kubernetes does not act on, with an incident since the last release."""
    if finding.level is not Health.FAILED or finding.cause not in health.QUARANTINED_CAUSES:
        return False
    return counts is not None and counts[_INCIDENT_OF[finding.cause]] > 0


def _quarantine_versions(
    actor: Actor,
    nodes: Sequence[Node],
    stock: Mapping[UUID, Sequence[NodeStock]],
    found: Mapping[UUID, tuple[Finding, ...]],
    *,
    now: datetime,
) -> int:
    """A version on which starts fail node after node."""
    total: Counter[tuple[str, Component, str]] = Counter()
    failing: Counter[tuple[str, Component, str]] = Counter()
    for node in nodes:
        fails = any(
            item.cause in (Cause.FAILED_STARTS, Cause.NO_DEVICES) and item.level is Health.FAILED
            for item in found[node.id]
        )
        for vendor in {row.accelerator.vendor for row in stock[node.id]}:
            for component, field in VERSION_FIELD.items():
                if version := getattr(node, field):
                    total[vendor, component, version] += 1
                    failing[vendor, component, version] += fails
    known = {
        (row.vendor, row.component, row.version): row.released_at
        for row in Quarantine.objects.filter(kind="version").order_by("started_at")
    }
    done = 0
    for key, count in total.items():
        vendor, component, version = key
        use = VersionUse(vendor=vendor, component=component, version=version, nodes=count, failing=failing[key])
        # One that somebody released is trusted from then on: a person has looked at it.
        if key in known or not health.is_version_suspect(use) or _is_every_version(total, key):
            continue
        quarantine_version(
            actor=actor, vendor=vendor, component=component, version=version, reason="automatic: version_fails",
            cause=Cause.VERSION_FAILS, facts={"nodes": use.nodes, "failing": use.failing}, now=now,
        )  # fmt: skip
        done += 1
        raise_notice(
            key=f"version:{vendor}:{component}:{version}", code="version.quarantined", severity=Severity.CRITICAL, now=now,
            facts={"vendor": vendor, "component": component.value, "version": version, "count": use.failing},
        )  # fmt: skip
    return done


def _is_every_version(total: Mapping[tuple[str, Component, str], int], key: tuple[str, Component, str]) -> bool:
    """Whether no node of the vendor has another version: then nothing shows that the version is to blame."""
    return not any(other[:2] == key[:2] and other[2] != key[2] for other in total)


def _quarantine_missing(actor: Actor, stock: Mapping[UUID, Sequence[NodeStock]], *, now: datetime) -> int:
    """Devices that have been missing for a while stay out also when their plugin reports them again for a moment."""
    done = 0
    for rows in stock.values():
        for row in rows:
            missing = row.capacity_devices - row.allocatable_devices - row.quarantined_devices
            settled = (
                row.shortage_changed_at is not None and now - row.shortage_changed_at >= health.SHORTAGE_SETTLES_AFTER
            )
            if missing > 0 and row.allocatable_devices > 0 and settled:
                quarantine_devices(
                    actor=actor, stock_id=row.id, devices=missing, reason="automatic: devices_missing",
                    cause=Cause.DEVICES_MISSING, facts={"missing": missing, "capacity": row.capacity_devices}, now=now,
                )  # fmt: skip
                row.quarantined_devices += missing
                done += 1
    return done


def _release_mended(actor: Actor, stock: Mapping[UUID, Sequence[NodeStock]], *, now: datetime) -> int:
    """Missing devices that have been back for a while are sold again by themselves; everything else waits for a person."""
    mended = [
        row.id
        for rows in stock.values()
        for row in rows
        if row.allocatable_devices == row.capacity_devices
        and row.shortage_changed_at is not None
        and now - row.shortage_changed_at >= health.SHORTAGE_SETTLES_AFTER
    ]
    open_rows = Quarantine.objects.filter(
        stock_id__in=mended, cause=Cause.DEVICES_MISSING, released_at__isnull=True
    ).values_list("id", flat=True)
    ids = list(open_rows)
    for quarantine_id in ids:
        release_quarantine(actor=actor, quarantine_id=quarantine_id, reason="automatic: devices back", now=now)
    return len(ids)

"""The counters of what nodes have and what is promised: the only writer of Node and NodeStock.

Taking checks the counters under the nodes' locks, so that two admitters, or an admitter and a shrinking node, can never promise a
device twice; what a node *has* is written as observed, even when that is less than what is promised.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Case, F, When

from marketplace.inventory.models import Cluster, IncidentKind, Node, NodeIncident, NodeStock
from marketplace.kernel import ids
from marketplace.kernel.hints import hint

_FREE = """
SELECT s.id,
    CASE WHEN s.is_quarantined THEN 0 ELSE least(s.allocatable_devices, s.capacity_devices - s.quarantined_devices) END
        - s.foreign_devices - s.allocated_devices,
    n.allocatable_cpu_millis - n.foreign_cpu_millis - n.allocated_cpu_millis,
    n.allocatable_memory_mib - n.foreign_memory_mib - n.allocated_memory_mib,
    n.is_ready AND n.is_schedulable AND n.cordoned_at IS NULL AND n.removed_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM inventory_maintenancewindow w
        WHERE w.cancelled_at IS NULL AND w.closes_at <= %(now)s AND coalesce(w.ended_at, w.ends_at) > %(now)s
            AND (w.node_id = n.id OR w.cluster_id = c.id OR w.site_id = c.site_id)
    ),
    a.node_sharing = 'one_tenant', s.holder_id
FROM inventory_nodestock s JOIN inventory_node n ON n.id = s.node_id
JOIN inventory_cluster c ON c.id = n.cluster_id JOIN inventory_accelerator a ON a.id = s.accelerator_id
WHERE s.id = ANY(%(ids)s) ORDER BY s.id FOR NO KEY UPDATE OF s
"""
_TAKE_NODE = """
UPDATE inventory_node SET
    allocated_cpu_millis = allocated_cpu_millis + %s, allocated_memory_mib = allocated_memory_mib + %s
WHERE id = %s
"""
_TAKE_DEVICES = (
    "UPDATE inventory_nodestock SET allocated_devices = allocated_devices + %s, holder_id = %s WHERE id = %s"
)
_MARK_QUARANTINED = """
UPDATE inventory_nodestock s SET is_quarantined = found.is_quarantined, quarantined_devices = found.devices
FROM (
    SELECT s.id, coalesce(sum(q.devices), 0) AS devices, coalesce(bool_or(q.kind <> 'device'), false) AS is_quarantined
    FROM inventory_nodestock s JOIN inventory_node n ON n.id = s.node_id JOIN inventory_accelerator a ON a.id = s.accelerator_id
    LEFT JOIN inventory_quarantine q ON q.released_at IS NULL AND (
        q.stock_id = s.id OR q.node_id = n.id OR (
            q.kind = 'version' AND q.vendor = a.vendor AND q.version =
                CASE q.component WHEN 'driver' THEN n.driver_version WHEN 'firmware' THEN n.firmware_version
                ELSE n.runtime_version END
        )
    )
    WHERE %(all)s OR s.node_id = ANY(%(ids)s) GROUP BY s.id
) found
WHERE found.id = s.id AND (s.is_quarantined, s.quarantined_devices) IS DISTINCT FROM (found.is_quarantined, found.devices)
RETURNING s.node_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Devices of one node that a tenant wants, with their processors and memory."""

    stock_id: UUID
    node_id: UUID
    tenant_id: UUID
    devices: int
    cpu_millis: int
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedNode:
    """A node as its cluster shows it; the input of `record_node`.

    Attributes:
        conditions: Types of conditions that are True, Ready apart.
        stock: For each accelerator id: (capacity, allocatable, requested by foreign pods).
    """

    name: str
    uid: str
    is_ready: bool
    is_schedulable: bool
    not_ready_since: datetime | None
    conditions: Sequence[str] = ()
    labels: Mapping[str, str]
    taint_keys: Sequence[str]
    driver_version: str
    firmware_version: str
    runtime_version: str
    allocatable_cpu_millis: int
    foreign_cpu_millis: int
    allocatable_memory_mib: int
    foreign_memory_mib: int
    stock: Mapping[UUID, tuple[int, int, int]]


@dataclass(slots=True)
class _Left:
    """What is left of a stock row under its lock."""

    devices: int
    cpu_millis: int
    memory_mib: int
    is_fit: bool
    is_one_tenant: bool
    holder_id: UUID | None


def take_devices(*, takings: Sequence[Sequence[Taking]], now: datetime) -> list[bool]:
    """Promise devices, in the given order, as far as they are still free and on sale; for each whether it was taken.

    The caller has locked the nodes (`lock_nodes`) in this transaction, so what is read here holds until it ends. Locks the
    stock rows.

    Args:
        takings: For each request what it takes of each node; all of it or nothing.
    """
    left = _read_left([taking.stock_id for group in takings for taking in group], now=now)
    node_left: dict[UUID, tuple[int, int]] = {}
    taken: list[bool] = []
    for group in takings:
        # A gang takes each node once, so that its own takings do not compete.
        is_taken = all(_fits(taking, left, node_left) for taking in group)
        taken.append(is_taken)
        for taking in group if is_taken else ():
            row = left[taking.stock_id]
            cpu_left, memory_left = node_left.get(taking.node_id, (row.cpu_millis, row.memory_mib))
            row.devices -= taking.devices
            row.holder_id = taking.tenant_id if row.is_one_tenant else None
            node_left[taking.node_id] = (cpu_left - taking.cpu_millis, memory_left - taking.memory_mib)
    _write_taken([taking for group, is_taken in zip(takings, taken, strict=True) if is_taken for taking in group], left)
    return taken


def _fits(taking: Taking, left: Mapping[UUID, _Left], node_left: Mapping[UUID, tuple[int, int]]) -> bool:
    row = left.get(taking.stock_id)
    if row is None or not row.is_fit:
        return False
    if row.is_one_tenant and row.holder_id not in (None, taking.tenant_id):
        return False
    cpu_left, memory_left = node_left.get(taking.node_id, (row.cpu_millis, row.memory_mib))
    return row.devices >= taking.devices and cpu_left >= taking.cpu_millis and memory_left >= taking.memory_mib


def _read_left(stock_ids: Sequence[UUID], *, now: datetime) -> dict[UUID, _Left]:
    with connection.cursor() as cursor:
        cursor.execute(_FREE, {"ids": list(stock_ids), "now": now})
        return {row[0]: _Left(*row[1:]) for row in cursor.fetchall()}


def _write_taken(takings: Sequence[Taking], left: Mapping[UUID, _Left]) -> None:
    by_stock: Counter[UUID] = Counter()
    by_node: dict[UUID, tuple[int, int]] = {}
    for taking in takings:
        by_stock[taking.stock_id] += taking.devices
        cpu_millis, memory_mib = by_node.get(taking.node_id, (0, 0))
        by_node[taking.node_id] = (cpu_millis + taking.cpu_millis, memory_mib + taking.memory_mib)
    if not takings:
        return
    with connection.cursor() as cursor:
        cursor.executemany(_TAKE_NODE, [(cpu, memory, node_id) for node_id, (cpu, memory) in sorted(by_node.items())])
        cursor.executemany(
            _TAKE_DEVICES,
            [(devices, left[stock_id].holder_id, stock_id) for stock_id, devices in sorted(by_stock.items())],
        )


def lock_nodes(*, stock_ids: Sequence[UUID]) -> None:
    """Lock the nodes that carry this stock, in order of id, until the open transaction ends (architecture.md, Locks)."""
    nodes = Node.objects.select_for_update(no_key=True).filter(stock__id__in=stock_ids)
    list(nodes.order_by("id").values_list("id", flat=True))


def release_devices(*, stock_id: UUID, devices: int, cpu_millis: int, memory_mib: int) -> None:
    """Give promised devices back. Not repeatable by itself: the caller releases an allocation once, under its row.

    Locks the node row, then the stock row.
    """
    _give_back(stock_id=stock_id, devices=devices, cpu_millis=cpu_millis, memory_mib=memory_mib)
    hint("stock.freed", stock_id)


def _give_back(*, stock_id: UUID, devices: int, cpu_millis: int, memory_mib: int) -> None:
    stock = NodeStock.objects.filter(id=stock_id)
    Node.objects.filter(id__in=stock.values("node_id")).update(
        allocated_cpu_millis=F("allocated_cpu_millis") - cpu_millis,
        allocated_memory_mib=F("allocated_memory_mib") - memory_mib,
    )
    if devices:
        stock.update(
            allocated_devices=F("allocated_devices") - devices,
            holder_id=Case(When(allocated_devices=devices, then=None), default=F("holder_id")),
        )


def record_node(*, cluster_id: UUID, observed: ObservedNode, now: datetime) -> None:
    """Write what a cluster shows of one node; promises (`allocated_*`) are left alone. Safe to repeat.

    What changed for the worse or the better is appended as an incident; a version in quarantine takes the node's stock out of sale.

    Locks the node row, then its stock rows.
    """
    before = Node.objects.select_for_update(no_key=True).filter(cluster_id=cluster_id, name=observed.name).first()
    short_before = _short_stock(before)
    node = Node(
        cluster_id=cluster_id,
        name=observed.name,
        uid=observed.uid,
        is_ready=observed.is_ready,
        is_schedulable=observed.is_schedulable,
        not_ready_since=observed.not_ready_since,
        conditions=sorted(observed.conditions),
        labels=dict(observed.labels),
        taint_keys=list(observed.taint_keys),
        driver_version=observed.driver_version,
        firmware_version=observed.firmware_version,
        runtime_version=observed.runtime_version,
        allocatable_cpu_millis=observed.allocatable_cpu_millis,
        foreign_cpu_millis=observed.foreign_cpu_millis,
        allocatable_memory_mib=observed.allocatable_memory_mib,
        foreign_memory_mib=observed.foreign_memory_mib,
        observed_at=now,
    )
    Node.objects.bulk_create(
        [node], update_conflicts=True, unique_fields=["cluster", "name"], update_fields=_OBSERVED_NODE_FIELDS
    )
    node_id = Node.objects.values_list("id", flat=True).get(cluster_id=cluster_id, name=observed.name)
    NodeStock.objects.bulk_create(
        [
            NodeStock(
                node_id=node_id,
                accelerator_id=accelerator_id,
                capacity_devices=capacity,
                allocatable_devices=allocatable,
                foreign_devices=foreign,
                observed_at=now,
            )
            for accelerator_id, (capacity, allocatable, foreign) in sorted(observed.stock.items())
        ],
        update_conflicts=True,
        unique_fields=["node", "accelerator"],
        update_fields=["capacity_devices", "allocatable_devices", "foreign_devices", "observed_at"],
    )
    NodeStock.objects.filter(node_id=node_id).exclude(accelerator_id__in=observed.stock).update(
        capacity_devices=0, allocatable_devices=0, foreign_devices=0, observed_at=now
    )
    _append_incidents(node_id, before, observed, short_before, now=now)
    mark_quarantined(node_ids=[node_id])
    hint("stock.freed", node_id)


def _short_stock(node: Node | None) -> set[UUID]:
    """Accelerators of which devices are missing."""
    if node is None:
        return set()
    rows = NodeStock.objects.filter(node=node, allocatable_devices__lt=F("capacity_devices"))
    return set(rows.values_list("accelerator_id", flat=True))


def _append_incidents(
    node_id: UUID, before: Node | None, observed: ObservedNode, short_before: set[UUID], *, now: datetime
) -> None:
    short = {
        accelerator_id
        for accelerator_id, (capacity, allocatable, _foreign) in observed.stock.items()
        if allocatable < capacity
    }
    found: list[tuple[IncidentKind, dict[str, str | int]]] = []
    if before is not None and before.is_ready and not observed.is_ready:
        since = observed.not_ready_since
        found.append((IncidentKind.LOST, {"since": since.isoformat()} if since else {}))
    if before is not None and not before.is_ready and observed.is_ready:
        found.append((IncidentKind.RETURNED, {}))
    known = set(before.conditions) if before is not None else set()
    found += [(IncidentKind.CONDITION, {"condition": kind}) for kind in sorted(set(observed.conditions) - known)]
    for kind, accelerators in (
        (IncidentKind.DEVICES_SHORT, short - short_before),
        (IncidentKind.DEVICES_WHOLE, short_before - short),
    ):
        for accelerator_id in sorted(accelerators):
            capacity, allocatable, _foreign = observed.stock.get(accelerator_id, (0, 0, 0))
            found.append((kind, {"missing": capacity - allocatable, "capacity": capacity}))
            NodeStock.objects.filter(node_id=node_id, accelerator_id=accelerator_id).update(shortage_changed_at=now)
    NodeIncident.objects.bulk_create(
        NodeIncident(node_id=node_id, kind=kind, facts=facts, occurred_at=now) for kind, facts in found
    )


def record_failed_start(*, node_id: UUID, message: str, now: datetime) -> None:
    """A node could not start what was bound to it; three of these within an hour take it out of sale."""
    NodeIncident.objects.create(
        node_id=node_id, kind=IncidentKind.START_FAILED, facts={"message": message[:300]}, occurred_at=now
    )
    hint("node.suspect", node_id)


def mark_quarantined(*, node_ids: Sequence[UUID] | None = None) -> int:
    """Bring the stock's marks up to what is in quarantine now, of some nodes or of all; how many rows changed. Safe to repeat.

    Locks the stock rows that change.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MARK_QUARANTINED, {"all": node_ids is None, "ids": list(node_ids or ())})
        changed = cursor.fetchall()
    for (node_id,) in changed:
        hint("stock.freed", node_id)
    return len(changed)


_OBSERVED_NODE_FIELDS = [
    "uid",
    "is_ready",
    "is_schedulable",
    "not_ready_since",
    "conditions",
    "labels",
    "taint_keys",
    "driver_version",
    "firmware_version",
    "runtime_version",
    "allocatable_cpu_millis",
    "foreign_cpu_millis",
    "allocatable_memory_mib",
    "foreign_memory_mib",
    "observed_at",
    "removed_at",
]
"""What the watcher writes; never the `allocated_*` counters, which are the admitter's."""


def record_nodes_gone(*, cluster_id: UUID, present: Sequence[str], now: datetime) -> int:
    """Mark every node of the cluster that is not in `present` as removed; how many. Safe to repeat."""
    gone = Node.objects.filter(cluster_id=cluster_id, removed_at__isnull=True).exclude(name__in=present)
    return gone.update(removed_at=now, is_ready=False, is_schedulable=False)


def record_seen(*, cluster_id: UUID, version: str, now: datetime) -> None:
    """The cluster's API server answered at `now`; its stock is fresh again. Safe to repeat."""
    Cluster.objects.filter(id=cluster_id).update(last_seen_at=now, **({"version": version} if version else {}))


def register_cluster_row(*, site_id: UUID, name: str, identity: UUID, version: str, now: datetime) -> Cluster:
    """The row of a newly connected cluster; the caller (clusters.operations) has claimed it."""
    return Cluster.objects.create(
        id=ids.new_id(), site_id=site_id, name=name, identity=identity, version=version, last_seen_at=now
    )

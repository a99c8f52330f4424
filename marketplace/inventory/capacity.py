"""All stock as operators look at it: which devices are in use, free or out of sale, by cluster, accelerator and node. Reads only.

Every device of a node's capacity is counted exactly once, so that the parts of a bar add up to its whole.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from django.db import connection
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.health import Health

_ROWS: Final = """
SELECT s.id, n.id, n.name, c.name, t.code, a.code, s.capacity_devices, s.allocatable_devices, s.foreign_devices,
    s.allocated_devices, s.quarantined_devices, s.is_quarantined, n.is_ready, n.is_schedulable, n.cordoned_at IS NOT NULL,
    EXISTS (
        SELECT 1 FROM inventory_maintenancewindow w
        WHERE w.cancelled_at IS NULL AND w.closes_at <= %(now)s AND coalesce(w.ended_at, w.ends_at) > %(now)s
            AND (w.node_id = n.id OR w.cluster_id = c.id OR w.site_id = t.id)
    ),
    c.last_seen_at IS NULL OR c.last_seen_at <= %(fresh_since)s, c.status <> 'active', n.health, n.health_causes::text,
    c.last_seen_at
FROM inventory_nodestock s
JOIN inventory_node n ON n.id = s.node_id
JOIN inventory_cluster c ON c.id = n.cluster_id
JOIN inventory_site t ON t.id = c.site_id
JOIN inventory_accelerator a ON a.id = s.accelerator_id
WHERE n.removed_at IS NULL AND c.status <> 'removed' AND (s.capacity_devices > 0 OR s.allocated_devices > 0)
    AND (%(node)s::uuid IS NULL OR n.id = %(node)s::uuid)
ORDER BY t.code, c.name, n.name, a.code
"""


class NodeFlag(StrEnum):
    """What keeps a node, or a part of it, out of sale, or should be looked at; the gravest first."""

    STALE = "stale"
    FAILED = "failed"
    NOT_READY = "not_ready"
    QUARANTINED = "quarantined"
    MAINTENANCE = "maintenance"
    CORDONED = "cordoned"
    UNSCHEDULABLE = "unschedulable"
    DRAINING = "draining"
    OVERCOMMITTED = "overcommitted"
    WARNING = "warning"


FLAG_LABELS: Final = {
    NodeFlag.STALE: _("Cluster silent"),
    NodeFlag.FAILED: _("Failed"),
    NodeFlag.NOT_READY: _("Not ready"),
    NodeFlag.QUARANTINED: _("In quarantine"),
    NodeFlag.MAINTENANCE: _("Under maintenance"),
    NodeFlag.CORDONED: _("Cordoned"),
    NodeFlag.UNSCHEDULABLE: _("Closed by the cluster"),
    NodeFlag.DRAINING: _("Cluster draining"),
    NodeFlag.OVERCOMMITTED: _("Overcommitted"),
    NodeFlag.WARNING: _("Warning"),
}
_CLOSING: Final = frozenset(
    {
        NodeFlag.STALE,
        NodeFlag.NOT_READY,
        NodeFlag.MAINTENANCE,
        NodeFlag.CORDONED,
        NodeFlag.UNSCHEDULABLE,
        NodeFlag.DRAINING,
    }
)
"""With one of these nothing is placed on the node at all."""


class DeviceCounts(NamedTuple):
    """Devices by what they are now; the parts add up to `capacity`, unless the node is overcommitted.

    Attributes:
        closed: They work and nobody has them, and nothing is placed on their node now.
        missing: Their plugin does not report them as usable.
    """

    allocated: int = 0
    foreign: int = 0
    free: int = 0
    closed: int = 0
    quarantined: int = 0
    missing: int = 0

    @property
    def capacity(self) -> int:
        """All of them."""
        return sum(self)

    def plus(self, other: "DeviceCounts") -> "DeviceCounts":
        """Both together."""
        return DeviceCounts(*(left + right for left, right in zip(self, other, strict=True)))


DEVICE_LABELS: Final = {
    "allocated": _("Rented out"),
    "foreign": _("Used by others"),
    "free": _("Free"),
    "closed": _("Not placed on"),
    "quarantined": _("In quarantine"),
    "missing": _("Not usable"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StockRow:
    """Devices of one accelerator on one node.

    Attributes:
        quarantined_devices: So many are in quarantine one by one; with `QUARANTINED` among the flags all of them are.
        causes: Of the node's health, as stored.
    """

    stock_id: UUID
    node_id: UUID
    node: str
    cluster: str
    site: str
    accelerator: str
    capacity: int
    quarantined_devices: int
    counts: DeviceCounts
    flags: tuple[NodeFlag, ...]
    causes: Sequence[Mapping[str, Any]]
    cluster_seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLine:
    """A line of the grid: a cluster with a cell for each accelerator that any cluster has.

    Attributes:
        cells: In the order of the grid's accelerators; None where the cluster has none.
        flagged: Nodes with at least one flag.
    """

    cluster: str
    site: str
    is_stale: bool
    seen_at: datetime | None
    nodes: int
    flagged: int
    cells: tuple[DeviceCounts | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityGrid:
    """Clusters by accelerators.

    Attributes:
        totals: By accelerator, in order.
        flags: How many nodes have each flag.
    """

    accelerators: tuple[str, ...]
    lines: tuple[ClusterLine, ...]
    totals: tuple[DeviceCounts, ...]
    flags: Mapping[NodeFlag, int]


def list_stock_rows(*, now: datetime, silence: timedelta, node_id: UUID | None = None) -> Sequence[StockRow]:
    """Every node that is there, or one, with each accelerator it has; one query, in order of site, cluster and node."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"now": now, "fresh_since": now - silence, "node": node_id})
        return [_read(row) for row in cursor.fetchall()]


def count_devices(
    *,
    capacity: int,
    allocatable: int,
    foreign: int,
    allocated: int,
    quarantined: int,
    is_quarantined: bool,
    is_closed: bool,
) -> DeviceCounts:
    """Each device once. What is in use counts as such even where it is in quarantine: that is for a drain to change.

    A device in quarantine that its plugin reports as unusable as well counts as in quarantine.
    """
    rest = max(0, capacity - allocated - foreign)
    usable = 0 if is_quarantined else max(0, min(allocatable, capacity - quarantined) - foreign - allocated)
    out = rest - usable
    held_back = out if is_quarantined else min(out, quarantined)
    return DeviceCounts(
        allocated=allocated,
        foreign=foreign,
        free=0 if is_closed else usable,
        closed=usable if is_closed else 0,
        quarantined=held_back,
        missing=out - held_back,
    )


def build_grid(rows: Iterable[StockRow]) -> CapacityGrid:
    """Sum the rows up by cluster and accelerator."""
    cells: defaultdict[tuple[str, str], DeviceCounts] = defaultdict(DeviceCounts)
    clusters: dict[str, StockRow] = {}
    flags: dict[UUID, tuple[NodeFlag, ...]] = {}
    nodes: defaultdict[str, set[UUID]] = defaultdict(set)
    for row in rows:
        cells[row.cluster, row.accelerator] = cells[row.cluster, row.accelerator].plus(row.counts)
        clusters.setdefault(row.cluster, row)
        nodes[row.cluster].add(row.node_id)
        flags[row.node_id] = tuple(dict.fromkeys((*flags.get(row.node_id, ()), *row.flags)))
    accelerators = tuple(sorted({accelerator for _cluster, accelerator in cells}))
    lines = tuple(
        ClusterLine(
            cluster=name,
            site=first.site,
            is_stale=NodeFlag.STALE in first.flags,
            seen_at=first.cluster_seen_at,
            nodes=len(nodes[name]),
            flagged=sum(bool(flags[node_id]) for node_id in nodes[name]),
            cells=tuple(cells.get((name, accelerator)) for accelerator in accelerators),
        )
        for name, first in clusters.items()
    )
    totals = [DeviceCounts()] * len(accelerators)
    for line in lines:
        totals = [total.plus(cell or DeviceCounts()) for total, cell in zip(totals, line.cells, strict=True)]
    counted = {flag: sum(flag in found for found in flags.values()) for flag in NodeFlag}
    return CapacityGrid(
        accelerators=accelerators,
        lines=lines,
        totals=tuple(totals),
        flags={flag: number for flag, number in counted.items() if number},
    )


def _read(row: Sequence[Any]) -> StockRow:
    capacity, allocatable, foreign, allocated, quarantined, is_quarantined = row[6:12]
    is_ready, is_schedulable, is_cordoned, is_maintained, is_stale, is_draining, health = row[12:19]
    usable = 0 if is_quarantined else max(0, min(allocatable, capacity - quarantined))
    found = {
        NodeFlag.STALE: is_stale,
        NodeFlag.FAILED: health == Health.FAILED,
        NodeFlag.NOT_READY: not is_ready,
        NodeFlag.QUARANTINED: is_quarantined or quarantined > 0,
        NodeFlag.MAINTENANCE: is_maintained,
        NodeFlag.CORDONED: is_cordoned,
        NodeFlag.UNSCHEDULABLE: is_ready and not is_schedulable,
        NodeFlag.DRAINING: is_draining,
        NodeFlag.OVERCOMMITTED: allocated + foreign > (capacity if is_quarantined else usable),
        NodeFlag.WARNING: health == Health.WARNING,
    }
    flags = tuple(flag for flag, is_set in found.items() if is_set)
    return StockRow(
        stock_id=row[0],
        node_id=row[1],
        node=row[2],
        cluster=row[3],
        site=row[4],
        accelerator=row[5],
        capacity=capacity,
        quarantined_devices=quarantined,
        counts=count_devices(
            capacity=capacity,
            allocatable=allocatable,
            foreign=foreign,
            allocated=allocated,
            quarantined=quarantined,
            is_quarantined=is_quarantined,
            is_closed=bool(_CLOSING & set(flags)),
        ),
        flags=flags,
        causes=orjson.loads(row[19]),
        cluster_seen_at=row[20],
    )

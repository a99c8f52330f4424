"""Capacity: clusters by accelerators, the nodes behind each number, and one node with everything about it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from marketplace.console.page import OperatorPage, operator_page
from marketplace.inventory.capacity import (
    DEVICE_LABELS,
    FLAG_LABELS,
    CapacityGrid,
    DeviceCounts,
    NodeFlag,
    StockRow,
    build_grid,
    list_stock_rows,
)
from marketplace.inventory.health_texts import explain_cause, explain_incident
from marketplace.inventory.maintenance import list_windows
from marketplace.inventory.models import Node, NodeIncident, Quarantine
from marketplace.inventory.outages import list_outages_of_node
from marketplace.inventory.quarantine import list_quarantines_of_node
from marketplace.journeys.stock_effects import read_effect
from marketplace.kernel import clock
from marketplace.kernel.errors import NotFound

NODES_PER_PAGE: Final = 50
RECENT_MAX: Final = 20
ROOM: Final = "room"
FLAGGED: Final = "flagged"
"""Filters beside the flags: nodes with something free; nodes with any flag."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list of nodes is narrowed to; all of it stands in the URL."""

    cluster: str = ""
    accelerator: str = ""
    state: str = ""
    name: str = ""

    def matches(self, row: StockRow) -> bool:
        """Whether a row is wanted."""
        is_state = (
            not self.state
            or (self.state == ROOM and row.counts.free > 0)
            or (self.state == FLAGGED and bool(row.flags))
            or self.state in row.flags
        )
        return (
            is_state
            and self.cluster in ("", row.cluster)
            and self.accelerator in ("", row.accelerator)
            and self.name.lower() in row.node.lower()
        )

    def query(self, **changes: Any) -> str:
        """The URL's part after `?`, with changes."""
        members = {name: getattr(self, name) for name in Filters.__slots__} | changes
        return urlencode({name: value for name, value in members.items() if value})


@require_GET
@operator_page("capacity")
def capacity(page: OperatorPage) -> HttpResponse:
    """The grid, and the nodes that the filters choose."""
    given = page.request.GET
    filters = Filters(**{name: given.get(name, "").strip()[:120] for name in Filters.__slots__})
    rows = list_stock_rows(now=clock.now(), silence=settings.CLUSTER_SILENCE)
    grid = build_grid(rows)
    nodes = list(_by_node(row for row in rows if filters.matches(row)))
    offset = page.read_offset()
    shown = nodes[offset : offset + NODES_PER_PAGE]
    return page.render(
        "capacity.html",
        title=_("Capacity"),
        grid=grid,
        lines=list(_lines(grid, filters)),
        totals=[part_of(total) for total in grid.totals],
        filters=filters,
        states=_states(grid),
        nodes=[_describe_node(group) for group in shown],
        node_count=len(nodes),
        first=offset + 1,
        last=offset + len(shown),
        next_query=filters.query(offset=offset + NODES_PER_PAGE) if offset + NODES_PER_PAGE < len(nodes) else "",
        previous_query=filters.query(offset=offset - NODES_PER_PAGE) if offset else "",
        legend=[{"kind": kind, "label": label} for kind, label in DEVICE_LABELS.items()],
    )


@require_GET
@operator_page("capacity")
def node(page: OperatorPage, node_id: str) -> HttpResponse:
    """One node: its devices, what runs there, versions, quarantines, maintenance, outages and incidents."""
    row = get_node(page, node_id)
    now = clock.now()
    stock = list_stock_rows(now=now, silence=settings.CLUSTER_SILENCE, node_id=row.id)
    place = Q(node_id=row.id) | Q(cluster_id=row.cluster_id) | Q(site_id=row.cluster.site_id)
    return page.render(
        "node.html",
        title=row.name,
        node=row,
        public_id=node_id,
        devices=[{"row": item, "part": part_of(item.counts), "strip": strip_of(item)} for item in stock],
        flags=_flags(stock),
        causes=[explain_cause(str(cause.get("cause", "")), cause) for cause in row.health_causes],
        effect=read_effect(place=Q(stock__node_id=row.id)),
        quarantines=[describe_quarantine(item) for item in list_quarantines_of_node(node=row)[:RECENT_MAX]],
        windows=list_windows(now=now).filter(place)[:RECENT_MAX],
        outages=list_outages_of_node(node=row)[:RECENT_MAX],
        incidents=[
            {"row": incident, "sentence": explain_incident(incident.kind, incident.facts)}
            for incident in NodeIncident.objects.filter(node=row).order_by("-occurred_at")[:RECENT_MAX]
        ],
        legend=[{"kind": kind, "label": label} for kind, label in DEVICE_LABELS.items()],
    )


def get_node(page: OperatorPage, node_id: str) -> Node:
    """A node by its public id, with cluster and site.

    Raises:
        NotFound: No such node.
    """
    wanted = page.read_id(prefix="nod", text=node_id)
    found = Node.objects.select_related("cluster__site").filter(id=wanted).first()
    if found is None:
        raise NotFound
    return found


def part_of(counts: DeviceCounts) -> dict[str, Any]:
    """A stacked bar of a thousand units, and the numbers beside it."""
    whole = counts.capacity or 1
    start, parts = 0, []
    for kind, number in counts._asdict().items():
        width = round(number * 1_000 / whole)
        if number:
            parts.append({"kind": kind, "label": DEVICE_LABELS[kind], "number": number, "x": start, "width": width})
        start += width
    return {"counts": counts, "capacity": counts.capacity, "parts": parts}


def strip_of(row: StockRow) -> list[dict[str, str]]:
    """One mark per device, the rented ones first; at most 64."""
    marks = [kind for kind, number in row.counts._asdict().items() for _device in range(number)]
    return [{"kind": kind, "label": str(DEVICE_LABELS[kind])} for kind in marks[:64]]


def describe_quarantine(row: Quarantine) -> dict[str, Any]:
    """A quarantine with what it is about and why, in words."""
    if row.node is not None:
        about = row.node.name
    elif row.stock is not None:
        about = f"{row.stock.node.name} · {row.stock.accelerator.code} × {row.devices}"
    else:
        about = f"{row.vendor} · {row.get_component_display()} {row.version}"
    return {"row": row, "about": about, "cause": explain_cause(row.cause, row.facts)}


def _lines(grid: CapacityGrid, filters: Filters) -> Iterator[dict[str, Any]]:
    for line in grid.lines:
        cells = [
            None
            if counts is None
            else {
                **part_of(counts),
                "query": Filters(cluster=line.cluster, accelerator=accelerator).query(),
                "is_chosen": (line.cluster, accelerator) == (filters.cluster, filters.accelerator),
            }
            for accelerator, counts in zip(grid.accelerators, line.cells, strict=True)
        ]
        yield {"line": line, "cells": cells, "query": Filters(cluster=line.cluster).query()}


def _states(grid: CapacityGrid) -> list[tuple[str, str]]:
    found = [(flag.value, f"{FLAG_LABELS[flag]} ({number})") for flag, number in grid.flags.items()]
    return [(ROOM, _("With free devices")), (FLAGGED, _("With any problem")), *found]


def _by_node(rows: Iterable[StockRow]) -> Iterator[Sequence[StockRow]]:
    """Rows of one node together, in the order of the rows."""
    found: dict[UUID, list[StockRow]] = {}
    for row in rows:
        found.setdefault(row.node_id, []).append(row)
    yield from found.values()


def _describe_node(rows: Sequence[StockRow]) -> dict[str, Any]:
    return {
        "first": rows[0],
        "flags": _flags(rows),
        "causes": [explain_cause(str(cause.get("cause", "")), cause) for cause in rows[0].causes],
        "devices": [{"row": row, "strip": strip_of(row)} for row in rows],
    }


def _flags(rows: Sequence[StockRow]) -> list[dict[str, Any]]:
    found = dict.fromkeys(flag for row in rows for flag in row.flags)
    return [
        {"flag": flag, "label": FLAG_LABELS[flag], "tone": "warning" if flag in _MILD else "critical"} for flag in found
    ]


_MILD: Final = frozenset({NodeFlag.WARNING, NodeFlag.CORDONED, NodeFlag.MAINTENANCE, NodeFlag.DRAINING})

"""Oracle Q by plain SQL: what is promised, held and allowed; written apart from the product, of which it imports nothing.

It looks through a session of its own, so that it sees what was committed and nothing else. `take` reads everything once;
`wrong_in` names what can never be, `wrong_between` what no commit may do.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

HOLDING: Final = ("queued", "provisioning", "running", "stopping")
RULES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "open": ((), ("device", "hardware", "software", "none")),
    "personal-credit": (("finance-csp", "isms-p"), ("device", "hardware")),
    "national-core-technology": (("isms-p",), ("device",)),
}
"""By data class: the schemes that a site must be certified for, and the isolation that will do; as the law's articles say."""
OPEN_ENDED: Final = timedelta(days=30)
"""So long a certificate must still hold for an instance without a maximum duration."""

_STOCK: Final = """
SELECT s.id::text, n.name, c.site_id::text, x.code, x.isolation_class, x.node_sharing = 'one_tenant' AS is_one_tenant,
    s.allocated_devices AS counted,
    coalesce((SELECT sum(a.devices) FROM instances_allocation a WHERE a.stock_id = s.id AND a.released_at IS NULL), 0)::int
        AS promised,
    (SELECT count(DISTINCT a.tenant_id) FROM instances_allocation a WHERE a.stock_id = s.id AND a.released_at IS NULL)
        AS tenants,
    coalesce((SELECT sum(q.devices) FROM inventory_quarantine q WHERE q.stock_id = s.id AND q.released_at IS NULL), 0)::int
        AS quarantined,
    EXISTS (
        SELECT FROM inventory_quarantine q WHERE q.released_at IS NULL AND (q.node_id = n.id OR (
            q.kind = 'version' AND q.vendor = x.vendor AND q.version = CASE q.component
                WHEN 'driver' THEN n.driver_version WHEN 'firmware' THEN n.firmware_version ELSE n.runtime_version END))
    ) AS is_out,
    n.cordoned_at IS NOT NULL AS is_cordoned,
    EXISTS (
        SELECT FROM inventory_maintenancewindow w WHERE w.cancelled_at IS NULL AND w.closes_at <= %(now)s
            AND least(w.ends_at, coalesce(w.ended_at, w.ends_at)) > %(now)s
            AND (w.node_id = n.id OR w.cluster_id = c.id OR w.site_id = c.site_id)
    ) AS is_in_maintenance
FROM inventory_nodestock s JOIN inventory_node n ON n.id = s.node_id JOIN inventory_cluster c ON c.id = n.cluster_id
JOIN inventory_accelerator x ON x.id = s.accelerator_id
"""
_NODES: Final = """
SELECT n.name, n.allocated_cpu_millis AS counted_cpu, n.allocated_memory_mib AS counted_memory,
    coalesce(sum(a.cpu_millis), 0)::int AS cpu, coalesce(sum(a.memory_mib), 0)::int AS memory
FROM inventory_node n JOIN inventory_nodestock s ON s.node_id = n.id
LEFT JOIN instances_allocation a ON a.stock_id = s.id AND a.released_at IS NULL
GROUP BY n.id
"""
_QUOTAS: Final = """
SELECT q.id::text, q.used, q."limit", q.enforcement,
    coalesce((SELECT sum(h.amount) FROM quotas_quotahold h WHERE h.quota_id = q.id AND h.released_at IS NULL), 0)::int AS held,
    coalesce((
        SELECT sum(CASE q.meter WHEN 'devices' THEN i.devices * i.nodes WHEN 'instances' THEN 1 ELSE 0 END)
        FROM instances_instance i
        WHERE i.tenant_id = q.tenant_id AND i.state = ANY(%(holding)s)
            AND (q.scope_kind = 'tenant' OR (q.scope_kind = 'project' AND q.scope_id = i.project_id) OR (
                q.scope_kind = 'member' AND q.scope_id = i.created_by_id
                AND coalesce(q.within_project_id, i.project_id) = i.project_id))
            AND (q.selector_kind = 'any' OR EXISTS (
                SELECT FROM instances_instanceterm t JOIN inventory_offer o ON o.id = t.offer_id
                JOIN inventory_accelerator x ON x.id = o.accelerator_id
                WHERE t.instance_id = i.id AND q.selector = CASE q.selector_kind WHEN 'kind' THEN x.kind ELSE x.code END))
    ), 0)::int AS expected
FROM quotas_quota q
"""
_SHARES: Final = """
SELECT h.id::text, h."limit", h.enforcement, coalesce((
    SELECT CASE h.meter WHEN 'devices' THEN sum(a.devices) ELSE count(DISTINCT a.instance_id) END
    FROM instances_allocation a JOIN tenants_tenant t ON t.id = a.tenant_id JOIN inventory_nodestock s ON s.id = a.stock_id
    JOIN inventory_accelerator x ON x.id = s.accelerator_id
    WHERE a.released_at IS NULL AND (h.scope_kind = 'platform' OR t.sector = h.sector)
        AND (h.selector_kind = 'any' OR h.selector = CASE h.selector_kind WHEN 'kind' THEN x.kind ELSE x.code END)
), 0)::int AS used
FROM quotas_share h WHERE h.revoked_at IS NULL AND h.effective_from IS NULL
"""
_INSTANCES: Final = """
SELECT i.id::text, i.tenant_id::text, i.state, i.goal, i.nodes, i.devices, i.attempt, i.max_duration_s, i.is_interruptible,
    p.data_classes, i.conditions->'CapacityAllocated'->>'reason' AS reason,
    (SELECT count(*) FROM instances_allocation a WHERE a.instance_id = i.id AND a.released_at IS NULL) AS places,
    (SELECT count(*) FROM instances_allocation a WHERE a.instance_id = i.id AND a.released_at IS NULL
        AND a.attempt = i.attempt AND a.devices = i.devices) AS own_places,
    (SELECT count(DISTINCT s.node_id) FROM instances_allocation a JOIN inventory_nodestock s ON s.id = a.stock_id
        WHERE a.instance_id = i.id AND a.released_at IS NULL) AS distinct_nodes,
    (SELECT count(DISTINCT n.cluster_id) FROM instances_allocation a JOIN inventory_nodestock s ON s.id = a.stock_id
        JOIN inventory_node n ON n.id = s.node_id WHERE a.instance_id = i.id AND a.released_at IS NULL) AS clusters,
    (SELECT bool_and(step.from_state = step.before) FROM (
        SELECT t.from_state, lag(t.to_state, 1, '') OVER (ORDER BY t.id) AS before
        FROM instances_transition t WHERE t.instance_id = i.id) step) AS is_one_chain
FROM instances_instance i JOIN tenants_project p ON p.id = i.project_id ORDER BY i.id
"""
_ALLOCATIONS: Final = """
SELECT a.id::text, a.stock_id::text, a.instance_id::text, a.tenant_id::text, t.offer_id = o.id AS is_on_agreed_offer
FROM instances_allocation a JOIN instances_instanceterm t ON t.id = a.term_id AND t.instance_id = a.instance_id
JOIN inventory_nodestock s ON s.id = a.stock_id JOIN inventory_node n ON n.id = s.node_id
JOIN inventory_cluster c ON c.id = n.cluster_id
LEFT JOIN inventory_offer o ON o.id = t.offer_id AND o.accelerator_id = s.accelerator_id AND o.site_id = c.site_id
WHERE a.released_at IS NULL
"""
_CERTIFICATES: Final = """
SELECT coalesce(f.site_id, s.id)::text AS site, m.code AS scheme, f.valid_from, least(f.valid_to, f.revoked_at) AS valid_to
FROM inventory_certification f JOIN sovereignty_assurancescheme m ON m.id = f.scheme_id
LEFT JOIN inventory_site s ON s.provider_id = f.provider_id
"""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything that the oracle judges, as it was committed at one instant."""

    at: datetime
    stock: Mapping[str, Row]
    nodes: Sequence[Row]
    quotas: Mapping[str, Row]
    shares: Mapping[str, Row]
    instances: Mapping[str, Row]
    allocations: Mapping[str, Row]
    certificates: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the cluster last showed of a node, as the test told it.

    Attributes:
        devices: By accelerator code: capacity, allocatable, requested by foreign pods.
    """

    is_fit: bool
    devices: Mapping[str, tuple[int, int, int]]
    cpu_millis: int
    memory_mib: int


def connect(settings: Mapping[str, Any]) -> psycopg.Connection[dict[str, Any]]:
    """A session beside Django's own."""
    return psycopg.connect(
        host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"], user=settings["USER"],
        password=settings["PASSWORD"], row_factory=psycopg.rows.dict_row,
    )  # fmt: skip


def take(session: psycopg.Connection[dict[str, Any]], *, now: datetime) -> Look:
    """Read everything, in one snapshot."""
    with session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        session.execute("SELECT set_config('role', 'ondol_staff', true)")
        values = {"now": now, "holding": list(HOLDING)}

        def rows(query: str) -> list[dict[str, Any]]:
            return session.execute(query.encode(), values).fetchall()

        def by_id(query: str) -> dict[str, Row]:
            return {row["id"]: row for row in rows(query)}

        return Look(
            at=now,
            stock=by_id(_STOCK),
            nodes=rows(_NODES),
            quotas=by_id(_QUOTAS),
            shares=by_id(_SHARES),
            instances=by_id(_INSTANCES),
            allocations=by_id(_ALLOCATIONS),
            certificates=rows(_CERTIFICATES),
        )


def wrong_in(look: Look) -> Iterator[str]:
    """What can never be, whatever happened before."""
    yield from _wrong_in_stock(look)
    for row in look.quotas.values():
        if not row["used"] == row["held"] == row["expected"]:
            yield f"quota {row['id']}: used {row['used']}, held {row['held']}, expected {row['expected']}"
    yield from (
        f"allocation {key} is on no agreed offer"
        for key, row in look.allocations.items()
        if not row["is_on_agreed_offer"]
    )
    for row in look.instances.values():
        yield from _wrong_in_instance(row)


def _wrong_in_stock(look: Look) -> Iterator[str]:
    for row in look.stock.values():
        if row["counted"] != row["promised"]:
            yield f"{row['name']} {row['code']}: the counter says {row['counted']}, {row['promised']} are promised"
        if row["is_one_tenant"] and row["tenants"] > 1:
            yield f"{row['name']} {row['code']}: {row['tenants']} tenants on a node for one"
    for row in look.nodes:
        if (row["counted_cpu"], row["counted_memory"]) != (row["cpu"], row["memory"]):
            yield f"{row['name']}: processors or memory do not add up: {row}"


def _wrong_in_instance(row: Row) -> Iterator[str]:
    most = row["nodes"] if row["state"] in ("provisioning", "running", "stopping") else 0
    least = row["nodes"] if row["state"] in ("provisioning", "running") else 0
    if not least <= row["places"] <= most:
        yield f"instance {row['id']} is {row['state']} with {row['places']} places for {row['nodes']} nodes"
    if row["places"] != row["own_places"]:
        yield f"instance {row['id']} has places of another attempt or size"
    if row["places"] and (row["distinct_nodes"] != row["places"] or row["clusters"] != 1):
        yield f"instance {row['id']}: {row['places']} places on {row['distinct_nodes']} nodes, {row['clusters']} clusters"
    if not row["is_one_chain"]:
        yield f"instance {row['id']}: its moves are no chain"


def wrong_between(before: Look, after: Look, shown: Mapping[str, Shown]) -> Iterator[str]:
    """What no commit may do: raise a promise or a use above what there is or is allowed, or place where it is forbidden."""
    for key, row in after.quotas.items():
        was = before.quotas.get(key)
        if was and row["used"] > was["used"] and row["enforcement"] == "hard" and row["used"] > row["limit"]:
            yield f"quota {key}: use was raised to {row['used']} above {row['limit']}"
    for key, row in after.shares.items():
        was = before.shares.get(key)
        if was and row["used"] > was["used"] and row["enforcement"] == "hard" and row["used"] > row["limit"]:
            yield f"share {key}: use was raised to {row['used']} above {row['limit']}"
    new = [row for key, row in after.allocations.items() if key not in before.allocations]
    for stock_id in {row["stock_id"] for row in new}:
        stock = after.stock[stock_id]
        yield from _wrong_on_node(stock, shown[stock["name"]], after)
    for row in new:
        instance, stock = after.instances[row["instance_id"]], after.stock[row["stock_id"]]
        yield from _wrong_by_law(instance, stock, after)


def _wrong_on_node(stock: Row, node: Shown, look: Look) -> Iterator[str]:
    name = f"{stock['name']} {stock['code']}"
    if not node.is_fit or stock["is_cordoned"] or stock["is_out"] or stock["is_in_maintenance"]:
        yield f"{name}: placed on a node that is not on sale: {stock}"
    capacity, allocatable, foreign = node.devices[stock["code"]]
    sellable = min(allocatable, capacity - stock["quarantined"]) - foreign
    if stock["promised"] > sellable:
        yield f"{name}: {stock['promised']} promised of {sellable}"
    sums = next(row for row in look.nodes if row["name"] == stock["name"])
    if sums["cpu"] > node.cpu_millis or sums["memory"] > node.memory_mib:
        yield f"{name}: more processors or memory promised than there are: {sums}"


def _wrong_by_law(instance: Row, stock: Row, look: Look) -> Iterator[str]:
    lasts = timedelta(seconds=instance["max_duration_s"]) if instance["max_duration_s"] else OPEN_ENDED
    for data_class in instance["data_classes"]:
        schemes, isolation = RULES[data_class]
        if stock["isolation_class"] not in isolation:
            yield f"{data_class} was placed on {stock['code']}, which is {stock['isolation_class']}"
        for scheme in schemes:
            if not any(
                row["site"] == stock["site_id"] and row["scheme"] == scheme
                and row["valid_from"] <= look.at and row["valid_to"] >= look.at + lasts and row["valid_to"] > look.at
                for row in look.certificates
            ):  # fmt: skip
                yield f"{data_class} was placed at {stock['name']} without {scheme}"


def read_documented_reasons(document: Path) -> frozenset[str]:
    """The tokens of the first table of docs/queue.md: why a queued instance waits."""
    table = document.read_text("utf-8").split("## Why it waits")[1].split("A scheduled start")[0]
    return frozenset(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE))


def list_untold(look: Look, *, documented: frozenset[str]) -> Sequence[str]:
    """Queued instances without a documented reason, or not yet told why although the admitter has looked."""
    return [
        f"instance {row['id']} waits for {row['reason']}"
        for row in look.instances.values()
        if row["state"] == "queued" and (row["reason"] not in documented or row["reason"] == "Queued")
    ]

"""Reads of instances for faces, scoped by actor: another tenant's instance does not exist here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypedDict
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import QuerySet

from marketplace.instances.models import Instance, PlacementDecision, Transition
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import NotFound


def list_instances(*, actor: Actor) -> QuerySet[Instance]:
    """The instances the actor may see, newest first, with project; filters and limits are the caller's."""
    rows = Instance.objects.filter(tenant_id=actor.tenant_scope).select_related("project")
    if actor.project_ids is not None:
        rows = rows.filter(project_id__in=actor.project_ids)
    return rows.order_by("-id")


class AgreedPrice(TypedDict):
    """One offer's terms as agreed at rent; ids as UUID texts."""

    offer_id: str
    price_version_id: str
    price_micros_per_device_hour: int
    selling_mode: str


class Place(TypedDict):
    """Where the newest attempt's devices are or were, and their price.

    Attributes:
        is_held: The devices are still promised to the instance.
    """

    site: str
    cluster: str
    node: str
    nodes: list[str]
    is_held: bool
    price_micros_per_device_hour: int


class InstanceSummary(TypedDict):
    """An instance as lists and answers show it, read from a row's JSON.

    Ids are UUID texts and instants RFC 3339 texts: building a thousand objects to write them out again took twice the time (R1).
    """

    id: str
    name: str
    project_id: str
    kind: str
    state: str
    state_reason: str
    goal: str
    accelerators: list[str]
    devices: int
    nodes: int
    image: str
    versions: dict[str, str]
    conditions: dict[str, dict[str, Any]]
    priority: int
    max_duration_s: int | None
    max_wait_s: int | None
    attempt: int
    is_deletion_protected: bool
    created_by_name: str
    created_at: str
    queued_at: str
    started_at: str | None
    ended_at: str | None
    revision: int
    queue_position: int | None
    start_p50_at: str | None
    start_p90_at: str | None
    is_interruptible: bool
    interrupt_at: str | None
    terms: list[AgreedPrice]
    place: Place | None


class SummaryRow(NamedTuple):
    """A summary as the database wrote it: whoever has read the same text before need not read it again."""

    id: UUID
    json: str


_SUMMARY: Final = """
SELECT r.id, row_to_json(r)::text FROM (
SELECT i.id, i.name, i.project_id, i.kind, i.state, i.state_reason, i.goal, i.accelerators, i.devices, i.nodes, i.image,
    i.conditions, i.priority, i.max_duration_s, i.max_wait_s, i.attempt, i.is_deletion_protected, i.created_by_name,
    i.created_at, i.queued_at, i.started_at, i.ended_at, i.revision, i.queue_position, i.start_p50_at, i.start_p90_at,
    i.is_interruptible, i.interrupt_at, i.versions,
    (
        SELECT json_agg(json_build_object(
            'offer_id', t.offer_id, 'price_version_id', t.price_version_id,
            'price_micros_per_device_hour', t.price_micros_per_device_hour, 'selling_mode', t.selling_mode
        ) ORDER BY t.id)
        FROM instances_instanceterm t WHERE t.instance_id = i.id
    ) AS terms,
    (
        SELECT json_build_object(
            'site', site.code, 'cluster', cluster.name, 'node', node.name, 'is_held', a.released_at IS NULL,
            'nodes', CASE WHEN i.nodes = 1 THEN ARRAY[node.name] ELSE (
                SELECT array_agg(peer.name ORDER BY other.rank)
                FROM instances_allocation other
                JOIN inventory_nodestock held ON held.id = other.stock_id
                JOIN inventory_node peer ON peer.id = held.node_id
                WHERE other.instance_id = i.id AND other.attempt = a.attempt
            ) END,
            'price_micros_per_device_hour', term.price_micros_per_device_hour
        )
        FROM instances_allocation a
        JOIN instances_instanceterm term ON term.id = a.term_id
        JOIN inventory_nodestock stock ON stock.id = a.stock_id
        JOIN inventory_node node ON node.id = stock.node_id
        JOIN inventory_cluster cluster ON cluster.id = node.cluster_id
        JOIN inventory_site site ON site.id = cluster.site_id
        WHERE a.instance_id = i.id
        ORDER BY a.attempt DESC, a.rank LIMIT 1
    ) AS place
FROM instances_instance i
WHERE i.tenant_id = %(tenant)s
"""


def list_summaries(
    *,
    actor: Actor,
    states: Sequence[str] = (),
    created_from: datetime | None = None,
    created_before: datetime | None = None,
    before: UUID | None = None,
    only: UUID | None = None,
    limit: int = 1,
) -> list[SummaryRow]:
    """The newest instances the actor may see, at most `limit`, with terms, place and price; one query.

    Args:
        states: Only these; empty = all.
        created_from, created_before: Rented in this half-open time.
        before: Only instances older than this one (a page's cursor).
        only: This instance alone.
    """
    sql = _SUMMARY
    parameters: dict[str, Any] = {"tenant": actor.tenant_scope, "limit": limit}
    filters: tuple[tuple[str, str, Any], ...] = (
        ("AND i.project_id = ANY(%(projects)s)", "projects", _or_none(actor.project_ids)),
        ("AND i.state = ANY(%(states)s)", "states", list(states) or None),
        ("AND i.created_at >= %(created_from)s", "created_from", created_from),
        ("AND i.created_at < %(created_before)s", "created_before", created_before),
        ("AND i.id < %(before)s", "before", before),
        ("AND i.id = %(only)s", "only", only),
    )
    for clause, name, value in filters:
        if value is not None:
            sql += clause + " "
            parameters[name] = value
    with connection.cursor() as cursor:
        cursor.execute(sql + "ORDER BY i.id DESC LIMIT %(limit)s) r ORDER BY r.id DESC", parameters)
        return [SummaryRow(*row) for row in cursor.fetchall()]


def _or_none(project_ids: frozenset[UUID] | None) -> list[UUID] | None:
    return None if project_ids is None else list(project_ids)


def get_summary(*, actor: Actor, instance_id: UUID) -> InstanceSummary:
    """One instance as lists show it.

    Raises:
        NotFound: Unknown or not the actor's.
    """
    found = list_summaries(actor=actor, only=instance_id)
    if not found:
        raise NotFound
    return read_summary(found[0].json)


def read_summary(text: str) -> InstanceSummary:
    """What a row's JSON says. Pure."""
    summary: InstanceSummary = orjson.loads(text)
    return summary


def get_instance(*, actor: Actor, instance_id: UUID) -> Instance:
    """One instance.

    Raises:
        NotFound: Unknown or not the actor's.
    """
    instance = list_instances(actor=actor).filter(id=instance_id).first()
    if instance is None:
        raise NotFound
    return instance


def list_transitions(*, actor: Actor, instance_id: UUID) -> QuerySet[Transition]:
    """The instance's moves, oldest first; empty when it is not the actor's."""
    visible = list_instances(actor=actor).filter(id=instance_id).values("id")
    return Transition.objects.filter(instance_id__in=visible).order_by("id")


def list_decisions(*, actor: Actor, instance_id: UUID) -> QuerySet[PlacementDecision]:
    """The instance's placement decisions, newest first; empty when it is not the actor's."""
    visible = list_instances(actor=actor).filter(id=instance_id).values("id")
    return PlacementDecision.objects.filter(instance_id__in=visible).order_by("-id")


def count_queued_before(*, since: datetime, instance_id: UUID) -> int:
    """How many queued instances of all tenants asked before this instant; the id decides between equal ones.

    A database function sees the whole queue and lets out only the number, never another tenant's row.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT count_queued_before(%s, %s)", [since, instance_id])
        return int(cursor.fetchone()[0])


_WITH_OTHERS: Final = "SELECT node_id FROM list_nodes_with_others()"
_KEPT_BY_OTHERS: Final = "SELECT node_id FROM list_nodes_kept_by_others()"


def list_nodes_with_others() -> list[UUID]:
    """Nodes on which an organization other than the actor's has devices; which one is not told."""
    return _read_ids(_WITH_OTHERS)


def list_nodes_kept_by_others() -> list[UUID]:
    """Nodes that another organization has to itself; which one is not told. A partial index has them."""
    return _read_ids(_KEPT_BY_OTHERS)


def _read_ids(statement: str) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [node_id for (node_id,) in cursor.fetchall()]

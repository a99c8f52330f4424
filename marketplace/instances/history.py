"""What runs, ran and was asked for over all tenants: what the admitter weighs. Needs a staff actor."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from marketplace.instances.models import Allocation, DecisionOutcome, Instance, PlacementDecision
from marketplace.instances.states import Goal, State
from marketplace.scheduling.fair_share import HALF_LIVES_MAX

DEMAND_WINDOW: Final = timedelta(days=7)
DEMAND_REQUESTS_MAX: Final = 2_000
LIFETIME_WINDOW: Final = timedelta(days=90)
LIFETIMES_MAX: Final = 2_000

_LIVE = """
SELECT a.stock_id, a.devices, a.cpu_millis, a.memory_mib, coalesce(i.started_at, a.allocated_at), i.max_duration_s,
    i.state = 'stopping', i.interrupt_at, i.id, i.is_interruptible AND i.state = 'running' AND i.goal = 'run'
FROM instances_allocation a JOIN instances_instance i ON i.id = a.instance_id
WHERE a.released_at IS NULL
"""
_LIVE_USE = """
SELECT t.sector, c.code, sum(a.devices)::int, count(DISTINCT a.instance_id)::int
FROM instances_allocation a
JOIN tenants_tenant t ON t.id = a.tenant_id
JOIN inventory_nodestock s ON s.id = a.stock_id
JOIN inventory_accelerator c ON c.id = s.accelerator_id
WHERE a.released_at IS NULL GROUP BY 1, 2
"""
_LIFETIMES = """
SELECT extract(epoch FROM a.released_at - a.allocated_at)::float8
FROM instances_allocation a JOIN instances_instance i ON i.id = a.instance_id
WHERE a.released_at > %s AND i.max_duration_s IS NULL
ORDER BY a.released_at DESC LIMIT %s
"""
_SHAPES = """
SELECT devices, cpu, memory, accelerators, sum(nodes)::int FROM (
    SELECT i.devices, i.nodes, o.cpu_millis_per_device * i.devices AS cpu, o.memory_mib_per_device * i.devices AS memory,
        i.accelerators
    FROM instances_instance i
    CROSS JOIN LATERAL (
        SELECT offer.cpu_millis_per_device, offer.memory_mib_per_device
        FROM instances_instanceterm t JOIN inventory_offer offer ON offer.id = t.offer_id
        WHERE t.instance_id = i.id ORDER BY t.id LIMIT 1
    ) o
    WHERE i.created_at > %s ORDER BY i.created_at DESC LIMIT %s
) asked GROUP BY devices, cpu, memory, accelerators
"""
_USED = """
SELECT a.tenant_id, sum(
    a.devices * t.price_micros_per_device_hour / 1e6::float8 * (
        (power(0.5::float8, extract(epoch FROM %(now)s - coalesce(a.released_at, %(now)s))::float8 / %(half_life)s::float8)
         - power(0.5::float8, extract(epoch FROM %(now)s - a.allocated_at)::float8 / %(half_life)s::float8)) * %(scale)s::float8
        + %(entry)s::float8 * power(0.5::float8, extract(epoch FROM %(now)s - a.allocated_at)::float8 / %(half_life)s::float8)
    )
)
FROM instances_allocation a JOIN instances_instanceterm t ON t.id = a.term_id
WHERE (a.released_at IS NULL OR a.released_at > %(since)s) AND a.allocated_at <= %(now)s
GROUP BY a.tenant_id
"""


def read_live_use() -> Mapping[tuple[str, str], tuple[int, int]]:
    """Devices and instances allocated now, by (sector, accelerator); what is stopping counts until its pods are gone."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE_USE)
        return {(sector, code): (devices, instances) for sector, code, devices, instances in cursor.fetchall()}


def count_waiting(*, accelerators: Sequence[str]) -> tuple[int, int, int]:
    """Queued instances that one of the accelerators would serve: how many, their devices, of how many tenants."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*)::int, coalesce(sum(devices * nodes), 0)::int, count(DISTINCT tenant_id)::int"
            " FROM instances_instance WHERE state = 'queued' AND (accelerators = '{}' OR accelerators && %s::varchar[])",
            [list(accelerators)],
        )
        count, devices, tenants = cursor.fetchone()
    return count, devices, tenants


class LiveRow(NamedTuple):
    """What holds devices of one node.

    Attributes:
        interrupt_at: When its devices are taken back; None = nobody asked for them.
        may_interrupt: It runs, is wanted, and may be interrupted.
    """

    stock_id: UUID
    devices: int
    cpu_millis: int
    memory_mib: int
    since: datetime
    max_duration_s: int | None
    is_stopping: bool
    interrupt_at: datetime | None
    instance_id: UUID
    may_interrupt: bool


def list_live_runs() -> Sequence[LiveRow]:
    """Every live allocation."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE)
        return [LiveRow._make(row) for row in cursor.fetchall()]


def list_recent_lifetimes(*, now: datetime) -> Sequence[float]:
    """Seconds for which runs without a maximum duration held devices, of the last 90 days, sorted."""
    with connection.cursor() as cursor:
        cursor.execute(_LIFETIMES, [now - LIFETIME_WINDOW, LIFETIMES_MAX])
        return sorted(row[0] for row in cursor.fetchall())


def list_recent_shapes(*, now: datetime) -> Sequence[tuple[tuple[int, int, int], Sequence[str], int]]:
    """What was asked for in the last week: ((devices, processors, memory), accelerators, how often)."""
    with connection.cursor() as cursor:
        cursor.execute(_SHAPES, [now - DEMAND_WINDOW, DEMAND_REQUESTS_MAX])
        return [((row[0], row[1], row[2]), row[3], row[4]) for row in cursor.fetchall()]


def read_decayed_use(*, now: datetime, half_life_s: float, entry_s: float) -> Mapping[UUID, float]:
    """Each tenant's use in won-weighted device-seconds, halved every `half_life_s`; the same sum as `scheduling.fair_share`.

    Args:
        entry_s: What each start counts at once.
    """
    parameters: dict[str, Any] = {
        "now": now,
        "half_life": half_life_s,
        "scale": half_life_s / math.log(2),
        "entry": entry_s,
        "since": now - timedelta(seconds=half_life_s * HALF_LIVES_MAX),
    }
    with connection.cursor() as cursor:
        cursor.execute(_USED, parameters)
        return {row[0]: row[1] for row in cursor.fetchall()}


_NODE_TENANTS = """
SELECT DISTINCT s.node_id, a.tenant_id FROM instances_allocation a JOIN inventory_nodestock s ON s.id = a.stock_id
WHERE a.released_at IS NULL
"""


def list_dedicated_nodes() -> list[tuple[UUID, UUID]]:
    """(node, tenant) of every live allocation that has its node alone; a partial index has them."""
    with connection.cursor() as cursor:
        cursor.execute(_NODE_TENANTS + "AND a.is_node_dedicated")
        return [(node_id, tenant_id) for node_id, tenant_id in cursor.fetchall()]


def list_node_tenants() -> list[tuple[UUID, UUID]]:
    """(node, tenant) of every live allocation."""
    with connection.cursor() as cursor:
        cursor.execute(_NODE_TENANTS)
        return [(node_id, tenant_id) for node_id, tenant_id in cursor.fetchall()]


def list_waiting() -> QuerySet[Instance]:
    """What waits and is still wanted, over all tenants."""
    return Instance.objects.filter(state=State.QUEUED, goal=Goal.RUN)


def find_any(*, instance_id: UUID) -> Instance | None:
    """An instance of whichever tenant, with tenant and project."""
    return Instance.objects.select_related("tenant", "project").filter(id=instance_id).first()


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateScore:
    """How good the first estimates of waits that ended with a start were.

    Attributes:
        unestimated: Waits of the same time for which there honestly was no estimate.
        within_p50, within_p90: Starts at or before the probable and the almost certain instant; of `started`.
        error_p50_s: Median of how far the start was from the probable instant, either way; None without any.
        late_p90_s: Ninth decile of how late starts were after the almost certain instant.
    """

    started: int
    unestimated: int
    within_p50: int
    within_p90: int
    error_p50_s: float | None
    late_p90_s: float | None


_SCORE: Final = """
SELECT count(*), count(*) FILTER (WHERE e.started_at <= e.p50_at), count(*) FILTER (WHERE e.started_at <= e.p90_at),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(extract(epoch FROM e.started_at - e.p50_at))::float8),
    percentile_cont(0.9) WITHIN GROUP (ORDER BY greatest(0, extract(epoch FROM e.started_at - e.p90_at))::float8)
FROM instances_startestimate e WHERE e.started_at > %(since)s AND e.started_at <= %(now)s
"""
_UNESTIMATED: Final = """
SELECT count(*) FROM instances_transition t
WHERE t.to_state = 'provisioning' AND t.occurred_at > %(since)s AND t.occurred_at <= %(now)s
    AND NOT EXISTS (
        SELECT 1 FROM instances_startestimate e WHERE e.instance_id = t.instance_id AND e.attempt = t.attempt
    )
    AND EXISTS (
        SELECT 1 FROM instances_placementdecision d
        WHERE d.instance_id = t.instance_id AND d.attempt = t.attempt - 1 AND d.outcome = 'waiting'
    )
"""


def score_estimates(*, now: datetime, window: timedelta) -> EstimateScore:
    """Score the first estimate of each wait that ended with a start in the window; two queries."""
    parameters = {"now": now, "since": now - window}
    with connection.cursor() as cursor:
        cursor.execute(_SCORE, parameters)
        started, within_p50, within_p90, error_p50_s, late_p90_s = cursor.fetchone()
        cursor.execute(_UNESTIMATED, parameters)
        (unestimated,) = cursor.fetchone()
    return EstimateScore(
        started=started,
        unestimated=unestimated,
        within_p50=within_p50,
        within_p90=within_p90,
        error_p50_s=error_p50_s,
        late_p90_s=late_p90_s,
    )


def list_live_allocations() -> list[Allocation]:
    """The first node of every instance that holds devices, with instance, project, tenant, accelerator and cluster."""
    rows = Allocation.objects.filter(released_at__isnull=True, rank=0).select_related(
        "instance__project", "instance__tenant", "stock__accelerator", "stock__node__cluster"
    )
    return list(rows.order_by("instance__tenant__name", "instance__name"))


def read_certificates_relied_on(*, instance_ids: Iterable[UUID]) -> Mapping[tuple[UUID | None, int], frozenset[str]]:
    """For each instance and attempt that was placed the ids of the certificates its decision relied on."""
    rows = PlacementDecision.objects.filter(
        instance_id__in=list(instance_ids), outcome=DecisionOutcome.PLACED
    ).values_list("instance_id", "attempt", "certificates")
    return {
        (instance_id, attempt): frozenset(item["id"] for item in certificates)
        for instance_id, attempt, certificates in rows
    }

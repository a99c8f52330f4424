"""Stock and terms as placement sees them: nodes, what is promised of them, everything that keeps them out of sale."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from marketplace.instances.models import InstanceTerm
from marketplace.scheduling.placement import Terms
from marketplace.scheduling.stock import Stock

_STOCK: Final = """
SELECT s.id, n.id, n.name, c.id, c.name, t.id, t.code, a.code, o.id, s.capacity_devices,
    least(s.allocatable_devices, s.capacity_devices - s.quarantined_devices) - s.foreign_devices,
    s.allocated_devices,
    n.allocatable_cpu_millis - n.foreign_cpu_millis - n.allocated_cpu_millis,
    n.allocatable_memory_mib - n.foreign_memory_mib - n.allocated_memory_mib,
    c.last_seen_at, c.status = 'active', n.is_ready, n.is_schedulable AND n.cordoned_at IS NULL, s.is_quarantined,
    EXISTS (
        SELECT 1 FROM inventory_maintenancewindow w
        WHERE w.cancelled_at IS NULL AND w.closes_at <= %(now)s AND coalesce(w.ended_at, w.ends_at) > %(now)s
            AND (w.node_id = n.id OR w.cluster_id = c.id OR w.site_id = t.id)
    ),
    n.driver_version, n.firmware_version, n.runtime_version, a.node_sharing = 'one_tenant', s.holder_id, n.labels ->> %(topology)s,
    n.allocatable_cpu_millis, n.allocatable_memory_mib
FROM inventory_nodestock s
JOIN inventory_node n ON n.id = s.node_id
JOIN inventory_cluster c ON c.id = n.cluster_id
JOIN inventory_site t ON t.id = c.site_id
JOIN inventory_accelerator a ON a.id = s.accelerator_id
JOIN inventory_offer o ON o.accelerator_id = a.id AND o.site_id = t.id AND o.status = 'active'
WHERE n.removed_at IS NULL AND (%(accelerators)s::varchar[] IS NULL OR a.code = ANY(%(accelerators)s::varchar[]))
ORDER BY t.code, n.name, a.code, o.id
"""


def read_stock(*, now: datetime, silence: timedelta, accelerators: Iterable[str] | None = None) -> Sequence[Stock]:
    """All stock that an active offer sells, as placement sees it; one query.

    Args:
        silence: A cluster that has not answered for longer is silent: its stock is listed but not fresh, so never sold.
    """
    fresh_since = now - silence
    with connection.cursor() as cursor:
        cursor.execute(
            _STOCK,
            {
                "now": now,
                "accelerators": None if accelerators is None else sorted(set(accelerators)),
                "topology": settings.TOPOLOGY_LABEL,
            },
        )
        rows = cursor.fetchall()
    return [
        Stock(
            stock_id=row[0],
            node_id=row[1],
            node=row[2],
            cluster_id=row[3],
            cluster=row[4],
            site_id=row[5],
            site=row[6],
            accelerator=row[7],
            offer_id=row[8],
            capacity_devices=row[9],
            sellable_devices=max(0, row[10]),
            free_devices=max(0, row[10] - row[11]),
            free_cpu_millis=row[12],
            free_memory_mib=row[13],
            is_cluster_fresh=row[14] is not None and row[14] > fresh_since,
            is_cluster_active=row[15],
            is_node_ready=row[16],
            is_node_schedulable=row[17],
            is_quarantined=row[18],
            is_under_maintenance=row[19],
            driver_version=row[20],
            firmware_version=row[21],
            runtime_version=row[22],
            is_one_tenant=row[23],
            holder_id=row[24],
            topology=row[25] or "",
            capacity_cpu_millis=row[26],
            capacity_memory_mib=row[27],
        )
        for row in rows
    ]


def placement_terms(terms: Iterable[InstanceTerm]) -> dict[UUID, Terms]:
    """An instance's agreed terms as placement sees them, by offer; their offers must have been read with them."""
    return {
        term.offer_id: Terms(
            offer_id=term.offer_id,
            term_id=term.id,
            price_micros_per_device_hour=term.price_micros_per_device_hour,
            cpu_millis_per_device=term.offer.cpu_millis_per_device,
            memory_mib_per_device=term.offer.memory_mib_per_device,
        )
        for term in terms
    }

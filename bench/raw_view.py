"""The baseline of the list endpoint: the same server, the same rows, one hand-written SQL with json_agg, authentication skipped."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from marketplace.config.wsgi import application as product

SQL = """
SELECT coalesce(json_agg(r), '[]')::text FROM (
    SELECT i.id, i.name, i.project_id, i.kind, i.state, i.state_reason, i.goal, i.accelerators, i.devices, i.image,
           i.conditions, i.max_duration_s, i.max_wait_s, i.attempt, i.created_by_name, i.created_at, i.queued_at, i.started_at,
           i.ended_at, i.revision,
           (SELECT json_agg(json_build_object('offer', t.offer_id, 'price', t.price_micros_per_device_hour))
            FROM instances_instanceterm t WHERE t.instance_id = i.id) AS terms,
           (SELECT json_build_object('site', s.code, 'cluster', c.name, 'node', n.name)
            FROM instances_allocation a JOIN inventory_nodestock k ON k.id = a.stock_id JOIN inventory_node n ON n.id = k.node_id
            JOIN inventory_cluster c ON c.id = n.cluster_id JOIN inventory_site s ON s.id = c.site_id
            WHERE a.instance_id = i.id ORDER BY a.attempt DESC LIMIT 1) AS place
    FROM instances_instance i WHERE i.tenant_id = %s ORDER BY i.id DESC LIMIT 20
) r
"""


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """`/raw` is the baseline; everything else is the product."""
    if environ["PATH_INFO"] != "/raw":
        return product(environ, start_response)
    from django.db import connection, transaction  # noqa: PLC0415 - Django is set up by the product's module

    tenant = os.environ["BENCH_TENANT"]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('ondol.tenant', %s, true)", [tenant])
        cursor.execute(SQL, [tenant])
        body = cursor.fetchone()[0].encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

"""The baseline of the list endpoint: one SQL in a hand-written view, same server, same middleware, no authentication."""

import os

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from marketplace.config.wsgi import application  # isort: skip - sets Django up
from marketplace.api.v1.instance_rendering import _render_text
from marketplace.api.v1.instances import InstancesView

__all__ = ["application", "urlpatterns"]

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
    FROM instances_instance i WHERE i.tenant_id = %s ORDER BY i.id DESC LIMIT 20 OFFSET %s
) r
"""


def raw(request: HttpRequest) -> HttpResponse:
    """Twenty rows as the database renders them."""
    tenant = os.environ["BENCH_TENANT"]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('ondol.tenant', %s, true)", [tenant])
        cursor.execute(SQL, [tenant, 20 * int(request.GET.get("page", "0"))])
        return HttpResponse(cursor.fetchone()[0], content_type="application/json")


def forgetful(request: HttpRequest) -> HttpResponse:
    """Our own list with nothing rendered before, as for rows that were never asked for or that changed since."""
    _render_text.cache_clear()
    return _instances(request)


_instances = InstancesView.as_view()
urlpatterns = [
    path("raw", raw),
    path("forgetful", forgetful),
    path("", include(settings.ROOT_URLCONF)),
]
settings.ROOT_URLCONF = __name__

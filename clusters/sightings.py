"""Sightings of our pods: appended once per version, read back as facts."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from clusters.observations import PodFacts, Sighting, fold
from marketplace.kernel import ids

Json = dict[str, Any]

_KEPT_STATUS = ("phase", "reason", "conditions", "containerStatuses")
_KEPT_METADATA = (
    "name", "namespace", "uid", "resourceVersion", "labels", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds",
)  # fmt: skip


_RECORD: Final = """
INSERT INTO clusters_podobservation
    (id, cluster_id, instance_id, pod_name, pod_uid, resource_version, kind, body, observed_at)
SELECT s.id, %(cluster)s, s.instance_id, s.name, s.uid, s.version, s.kind, s.body::jsonb, s.at
FROM unnest(%(ids)s::uuid[], %(instances)s::uuid[], %(names)s::varchar[], %(uids)s::varchar[], %(versions)s::varchar[],
    %(kinds)s::varchar[], %(bodies)s::text[], %(instants)s::timestamptz[])
    AS s (id, instance_id, name, uid, version, kind, body, at)
ON CONFLICT DO NOTHING
"""
_FACTS: Final = """
SELECT body::text, observed_at, kind = 'deleted' FROM clusters_podobservation WHERE cluster_id = %s AND pod_name = %s
"""


def record_sightings(*, cluster_id: UUID, sightings: Iterable[tuple[UUID, Sighting]]) -> None:
    """Append `(instance id, sighting)`s; a version that is already there is not stored again.

    Requires an open transaction of a staff actor.
    """
    rows = list(sightings)
    if not rows:
        return
    pods = [sighting.pod["metadata"] for _instance_id, sighting in rows]
    parameters: dict[str, Any] = {
        "cluster": cluster_id,
        "ids": [ids.new_id() for _ in rows],
        "instances": [instance_id for instance_id, _sighting in rows],
        "names": [metadata["name"] for metadata in pods],
        "uids": [metadata["uid"] for metadata in pods],
        "versions": [metadata["resourceVersion"] for metadata in pods],
        "kinds": ["deleted" if sighting.is_deletion else "seen" for _instance_id, sighting in rows],
        "bodies": [json.dumps(sighting.pod) for _instance_id, sighting in rows],
        "instants": [sighting.observed_at for _instance_id, sighting in rows],
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, parameters)


def read_facts(*, cluster_id: UUID, pod_name: str) -> dict[str, PodFacts]:
    """Everything ever seen under a pod's name in a cluster, folded, by UID."""
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [cluster_id, pod_name])
        rows = cursor.fetchall()
    return dict(
        fold(
            Sighting(pod=json.loads(body), observed_at=observed_at, is_deletion=is_deletion)
            for body, observed_at, is_deletion in rows
        )
    )


def sight(*, pod: Json, at: datetime, is_deletion: bool = False) -> Sighting:
    """A sighting of the part of a pod that is kept."""
    return Sighting(pod=_kept(pod), observed_at=at, is_deletion=is_deletion)


def _kept(pod: Json) -> Json:
    metadata, status = pod.get("metadata", {}), pod.get("status", {})
    return {
        "metadata": {key: metadata[key] for key in _KEPT_METADATA if key in metadata},
        "spec": {"nodeName": pod.get("spec", {}).get("nodeName", "")},
        "status": {key: status[key] for key in _KEPT_STATUS if key in status},
    }

"""Sightings of our pods: appended once per version, read back as facts."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from clusters.models import PodObservation
from clusters.observations import PodFacts, Sighting, fold

Json = dict[str, Any]

_KEPT_STATUS = ("phase", "reason", "conditions", "containerStatuses")
_KEPT_METADATA = (
    "name", "namespace", "uid", "resourceVersion", "labels", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds",
)  # fmt: skip


def record_sightings(*, cluster_id: UUID, sightings: Iterable[tuple[UUID, Sighting]]) -> None:
    """Append `(instance id, sighting)`s; a version that is already there is not stored again.

    Requires an open transaction of a staff actor.
    """
    PodObservation.objects.bulk_create(
        [
            PodObservation(
                cluster_id=cluster_id,
                instance_id=instance_id,
                pod_name=sighting.pod["metadata"]["name"],
                pod_uid=sighting.pod["metadata"]["uid"],
                resource_version=sighting.pod["metadata"]["resourceVersion"],
                kind="deleted" if sighting.is_deletion else "seen",
                body=_kept(sighting.pod),
                observed_at=sighting.observed_at,
            )
            for instance_id, sighting in sightings
        ],
        ignore_conflicts=True,
    )


def read_facts(*, cluster_id: UUID, pod_name: str) -> dict[str, PodFacts]:
    """Everything ever seen under a pod's name in a cluster, folded, by UID."""
    rows = PodObservation.objects.filter(cluster_id=cluster_id, pod_name=pod_name).values_list(
        "body", "observed_at", "kind"
    )
    return dict(
        fold(
            Sighting(pod=body, observed_at=observed_at, is_deletion=kind == "deleted")
            for body, observed_at, kind in rows
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

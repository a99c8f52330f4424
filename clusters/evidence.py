"""What a watcher learns for the meter: trouble of nodes, clocks that are off, runs that are seen again after a silence."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings

from clusters.kube.client import KubeClient, segment
from clusters.kube.errors import KubeError, KubeForbidden
from clusters.models import PodObservation, Workload
from clusters.nodes import NodeReading
from clusters.observations import Sighting, fold, instant, read_running_since
from marketplace.instances.operations import SeenRun, record_seen_again
from marketplace.inventory.models import OutageKind
from marketplace.inventory.outages import (
    list_unlisted_silences,
    record_answer,
    record_clock_skew,
    record_node_ready,
    record_node_trouble,
    record_relisted,
)
from marketplace.inventory.stock import record_seen
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor

log = structlog.get_logger(__name__)

ACTOR: Final = system_actor("watcher")
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
SKEW_WATCH_S: Final = 15
"""A node renews its lease every ten seconds, so each living one is heard within one such watch."""
SKEW_EVERY_S: Final = 300.0
PODS_PER_QUERY: Final = 500

Json = dict[str, Any]


def read_last_renewal(*, client: KubeClient, node: str) -> datetime | None:
    """When the node last renewed its lease, by its own clock; None when the cluster does not say."""
    try:
        lease = client.get(f"{LEASES}/{segment(node)}")
    except KubeError as error:
        log.info("lease_unreadable", node=node, error=str(error)[:200])
        return None
    return instant(lease.get("spec", {}).get("renewTime"))


def record_health(*, cluster_id: UUID, reading: NodeReading, last_renewal: datetime | None, now: datetime) -> None:
    """Open or end a node's trouble by what was read of it; requires an open transaction. Safe to repeat.

    A node that is not ready is excused from its last lease renewal; where the cluster does not tell that, from when it noticed.
    """
    if reading.is_ready:
        record_node_ready(cluster_id=cluster_id, name=reading.name, since=reading.ready_since or now, now=now)
        return
    record_node_trouble(
        cluster_id=cluster_id,
        name=reading.name,
        kind=OutageKind.NODE_NOT_READY,
        since=last_renewal or reading.not_ready_since or now,
        now=now,
        evidence=_evidence(last_renewal, reading.not_ready_since),
    )


def record_lost(*, cluster_id: UUID, node: Json, last_renewal: datetime | None, now: datetime) -> None:
    """A node was removed from its cluster; its lease may be gone with it. Requires an open transaction. Safe to repeat."""
    heard = [last_renewal, *(instant(item.get("lastHeartbeatTime")) for item in _conditions(node))]
    known = [at for at in heard if at is not None]
    record_node_trouble(
        cluster_id=cluster_id,
        name=node["metadata"]["name"],
        kind=OutageKind.NODE_LOST,
        since=max(known, default=now),
        now=now,
        evidence=_evidence(last_renewal, None),
    )


def _conditions(node: Json) -> Sequence[Json]:
    found: Sequence[Json] = node.get("status", {}).get("conditions") or []
    return [item for item in found if item.get("type") == "Ready"]


def _evidence(last_renewal: datetime | None, not_ready_since: datetime | None) -> dict[str, str]:
    known = {"lease_renewed_at": last_renewal, "not_ready_since": not_ready_since}
    return {name: at.isoformat() for name, at in known.items() if at is not None}


def record_contact(*, cluster_id: UUID, version: str, now: datetime) -> None:
    """The cluster answered: a silence ends, its stock is fresh. Requires an open transaction. Safe to repeat."""
    record_answer(cluster_id=cluster_id, now=now, silence=settings.CLUSTER_SILENCE)
    record_seen(cluster_id=cluster_id, version=version, now=now)


def record_pods_again(*, cluster_id: UUID, pods: Mapping[str, Json], at: datetime) -> None:
    """After a silence: keep which runs are seen again in the first list of pods, and that it was made.

    Args:
        pods: Our pods of the list, by UID; what is not in it is not there.

    Requires an open transaction, before the sightings of the same list are kept. Safe to repeat.
    """
    if not list_unlisted_silences(cluster_id=cluster_id).exists():
        return
    uids = list(pods)
    for start in range(0, len(uids), PODS_PER_QUERY):
        record_seen_again(runs=_compare(cluster_id, pods, uids[start : start + PODS_PER_QUERY]), seen_at=at)
    record_relisted(cluster_id=cluster_id, at=at)


def _compare(cluster_id: UUID, pods: Mapping[str, Json], uids: Sequence[str]) -> list[SeenRun]:
    rows = PodObservation.objects.filter(cluster_id=cluster_id, pod_uid__in=uids).values_list(
        "body", "observed_at", "kind"
    )
    known = fold(Sighting(pod=body, observed_at=seen, is_deletion=kind == "deleted") for body, seen, kind in rows)
    names = {pods[uid]["metadata"]["name"]: uid for uid in uids}
    workloads = Workload.objects.filter(cluster_id=cluster_id, pod_name__in=list(names)).select_related("allocation")
    found: list[SeenRun] = []
    for workload in workloads:
        uid = names[workload.pod_name]
        if uid not in known:
            continue
        is_known, since = read_running_since(pod=pods[uid], known=known[uid])
        if is_known:
            found.append(
                SeenRun(
                    tenant_id=workload.tenant_id,
                    instance_id=workload.instance_id,
                    attempt=workload.allocation.attempt,
                    rank=workload.allocation.rank,
                    running_since=since,
                )
            )
    return found


def follow_leases(*, cluster_id: UUID, client: KubeClient, stopping: threading.Event) -> None:
    """Compare the clocks of all nodes with ours, once every five minutes: a renewal that is watched has just been written.

    A late delivery looks like a clock that is behind, so of several renewals the one that is farthest ahead counts.
    """
    try:
        version = client.list(LEASES).resource_version
        skews: dict[str, timedelta] = {}
        for kind, lease in client.watch(LEASES, resource_version=version, timeout_s=SKEW_WATCH_S):
            at, renewed = clock.now(), instant(lease.get("spec", {}).get("renewTime"))
            if kind in ("ADDED", "MODIFIED") and renewed is not None:
                name = lease["metadata"]["name"]
                skews[name] = max(skews.get(name, renewed - at), renewed - at)
    except KubeForbidden as error:
        # A provider that has not applied the present role yet; clocks are then not compared.
        log.warning("leases_forbidden", cluster_id=str(cluster_id), error=str(error)[:200])
        skews = {}
    now = clock.now()
    for name, skew in sorted(skews.items()):
        with as_actor(ACTOR):
            record_clock_skew(cluster_id=cluster_id, name=name, skew_ms=skew // timedelta(milliseconds=1), now=now)
    stopping.wait(SKEW_EVERY_S)

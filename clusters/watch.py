"""Watching one cluster: pods become sightings, nodes become stock, answers keep the cluster fresh.

Three threads per cluster, each list → watch → list: pods, nodes, and now and then the nodes' leases to compare clocks. What is
written is either append-only and keyed by version (sightings), or a full statement of what a node has now (stock), or opened once
(outages), so that two watchers at once, repeated lists and lost connections do no harm.
"""

import random
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

from clusters.connections import client_for
from clusters.desired import LABEL_INSTALLATION, LABEL_INSTANCE
from clusters.evidence import (
    ACTOR,
    follow_leases,
    read_last_renewal,
    record_contact,
    record_health,
    record_lost,
    record_pods_again,
)
from clusters.kube.client import KubeClient
from clusters.kube.errors import KubeError, KubeGarbage, WatchExpired
from clusters.models import ClusterConnection, Workload
from clusters.nodes import CatalogueRow, NodeReading, foreign_requests, is_foreign, pod_requests, read_node
from clusters.observations import Sighting, read_pod
from clusters.plan import calls_for_a_step
from clusters.sightings import record_sightings, sight
from clusters.starting import record_start_seen
from marketplace.inventory.models import Accelerator, Cluster
from marketplace.inventory.stock import ObservedNode, record_node, record_nodes_gone
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.hints import hint

log = structlog.get_logger(__name__)

PODS: Final = "/api/v1/pods"
NODES: Final = "/api/v1/nodes"
WATCH_S: Final = 10
"""A watch ends after so long and is taken up where it ended: each end proves that the cluster answers."""
RELIST_EVERY: Final = 30
"""Watches between two full lists: every five minutes everything is compared anew."""
BACKOFF_S_MAX: Final = 15.0

Json = dict[str, Any]


class ClusterWatcher:
    """Watches one cluster until it is told to stop."""

    def __init__(self, *, cluster_id: UUID, may_write: Callable[[], bool]) -> None:
        """Prepare.

        Args:
            may_write: Whether this process still holds the watchers' lease; asked before each write of stock.
        """
        self.cluster_id = cluster_id
        self._may_write = may_write
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._foreign: dict[str, Json] = {}
        self._nodes: dict[str, Json] = {}
        self._threads = [
            threading.Thread(target=self._repeat, args=(follow,), name=f"watch-{name}-{cluster_id}", daemon=True)
            for name, follow in (
                ("pods", self._follow_pods),
                ("nodes", self._follow_nodes),
                ("leases", self._follow_leases),
            )
        ]

    def start(self) -> None:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask the threads to end; they do so within one watch."""
        self._stopping.set()

    def _repeat(self, follow: Callable[[KubeClient], None]) -> None:
        """Follow for ever; after an error wait with jitter, longer each time, and begin with a list."""
        failures = 0
        while not self._stopping.is_set():
            try:
                follow(self._client())
                failures = 0
            except WatchExpired:
                log.info("watch_expired", cluster_id=str(self.cluster_id))
            except (KubeError, DatabaseError) as error:
                failures += 1
                log.warning("watch_failed", cluster_id=str(self.cluster_id), error=str(error)[:300], failures=failures)
                connection.close()
                self._stopping.wait(min(BACKOFF_S_MAX, 0.2 * 2 ** min(failures, 7)) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        connection.close()

    def _client(self) -> KubeClient:
        with as_actor(ACTOR):
            row = ClusterConnection.objects.get(cluster_id=self.cluster_id)
        return client_for(row)

    # Pods

    def _follow_pods(self, client: KubeClient) -> None:
        listing = client.list(PODS)
        self._take_pod_list(listing.items, at=clock.now())
        version = listing.resource_version
        for _round in range(RELIST_EVERY):
            if self._stopping.is_set():
                return
            for kind, pod in client.watch(PODS, resource_version=version, timeout_s=WATCH_S):
                version = pod.get("metadata", {}).get("resourceVersion", version)
                if kind != "BOOKMARK":
                    self._take_pod(kind, pod, at=clock.now())

    def _take_pod_list(self, pods: list[Json], *, at: datetime) -> None:
        ours = [(instance_id, pod) for pod in pods if (instance_id := _instance_of(pod)) is not None]
        names = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for _instance_id, pod in ours}
        with as_actor(ACTOR):
            record_contact(cluster_id=self.cluster_id, version="", now=at)
            record_pods_again(
                cluster_id=self.cluster_id, pods={pod["metadata"]["uid"]: pod for _id, pod in ours}, at=at
            )
            record_sightings(
                cluster_id=self.cluster_id,
                sightings=[(instance_id, sight(pod=pod, at=at)) for instance_id, pod in ours],
            )
            live = Workload.objects.filter(cluster_id=self.cluster_id, gone_at__isnull=True, applied_at__isnull=False)
            for workload in live.only("id", "instance_id", "namespace", "pod_name"):
                if (workload.namespace, workload.pod_name) in names:
                    Workload.objects.filter(id=workload.id).update(last_sighted_at=at)
                hint("instance.due", workload.instance_id)
        with self._lock:
            self._foreign = {
                pod["metadata"]["uid"]: pod
                for pod in pods
                if is_foreign(pod=pod, installation_id=str(settings.INSTALLATION_ID)) and _holds_something(pod)
            }
            nodes = list(self._nodes)
        self._record_nodes(nodes, at=at)

    def _take_pod(self, kind: str, pod: Json, *, at: datetime) -> None:
        instance_id = _instance_of(pod)
        if instance_id is not None:
            with as_actor(ACTOR):
                sighting = sight(pod=pod, at=at, is_deletion=kind == "DELETED")
                record_sightings(cluster_id=self.cluster_id, sightings=[(instance_id, sighting)])
                if _may_have_next_step(sighting) and not record_start_seen(
                    cluster_id=self.cluster_id, instance_id=instance_id, pod=pod, now=at
                ):
                    hint("instance.due", instance_id)
            return
        self._take_foreign(kind, pod, at=at)

    def _take_foreign(self, kind: str, pod: Json, *, at: datetime) -> None:
        """Another's pod holds devices from the moment it is bound until it ends."""
        uid = pod.get("metadata", {}).get("uid", "")
        holds = (
            kind != "DELETED"
            and is_foreign(pod=pod, installation_id=str(settings.INSTALLATION_ID))
            and _holds_something(pod)
        )
        with self._lock:
            held_before = uid in self._foreign
            if holds:
                self._foreign[uid] = pod
            else:
                self._foreign.pop(uid, None)
        node = pod.get("spec", {}).get("nodeName", "")
        if node and holds != held_before:
            self._record_nodes([node], at=at)

    # Nodes

    def _follow_nodes(self, client: KubeClient) -> None:
        version_text = str(client.get("/version").get("gitVersion", ""))
        listing = client.list(NODES)
        at = clock.now()
        with self._lock:
            self._nodes = {node["metadata"]["name"]: node for node in listing.items}
            names = list(self._nodes)
        self._record_nodes(names, at=at)
        with as_actor(ACTOR):
            if self._may_write():
                record_nodes_gone(cluster_id=self.cluster_id, present=names, now=at)
                record_contact(cluster_id=self.cluster_id, version=version_text, now=at)
        version = listing.resource_version
        for _round in range(RELIST_EVERY):
            if self._stopping.is_set():
                return
            for kind, node in client.watch(NODES, resource_version=version, timeout_s=WATCH_S):
                version = node.get("metadata", {}).get("resourceVersion", version)
                if kind != "BOOKMARK":
                    self._take_node(kind, node, at=clock.now())
            with as_actor(ACTOR):
                record_contact(cluster_id=self.cluster_id, version=version_text, now=clock.now())

    def _take_node(self, kind: str, node: Json, *, at: datetime) -> None:
        name = node["metadata"]["name"]
        with self._lock:
            before = self._nodes.get(name)
            if kind == "DELETED":
                self._nodes.pop(name, None)
            else:
                self._nodes[name] = node
            present = list(self._nodes)
        if kind == "DELETED":
            renewal = read_last_renewal(client=self._client(), node=name)
            with as_actor(ACTOR):
                record_nodes_gone(cluster_id=self.cluster_id, present=present, now=at)
                record_lost(cluster_id=self.cluster_id, node=node, last_renewal=renewal, now=at)
        elif before is None or _matters(before) != _matters(node):
            self._record_nodes([name], at=at)

    def _follow_leases(self, client: KubeClient) -> None:
        follow_leases(cluster_id=self.cluster_id, client=client, stopping=self._stopping)

    def _read_renewals(self, nodes: list[Json]) -> dict[str, datetime | None]:
        """The last lease renewal of each node that is not ready."""
        troubled = [node["metadata"]["name"] for node in nodes if _matters(node)[0] != "True"]
        return {name: read_last_renewal(client=self._client(), node=name) for name in troubled}

    def _record_nodes(self, names: list[str], *, at: datetime) -> None:
        with self._lock:
            nodes = [self._nodes[name] for name in names if name in self._nodes]
            foreign = foreign_requests(pods=self._foreign.values(), installation_id=str(settings.INSTALLATION_ID))
        renewals = self._read_renewals(nodes)
        with as_actor(ACTOR):
            if not nodes or not self._may_write():
                return
            catalogue = read_catalogue_rows()
            for node in nodes:
                try:
                    reading = read_node(node=node, catalogue=catalogue)
                except KubeGarbage as error:
                    log.warning("node_unreadable", cluster_id=str(self.cluster_id), error=str(error))
                    continue
                record_node(
                    cluster_id=self.cluster_id, observed=observe(reading, foreign.get(reading.name, {})), now=at
                )
                renewal = renewals.get(reading.name)
                record_health(cluster_id=self.cluster_id, reading=reading, last_renewal=renewal, now=at)


def observe(reading: NodeReading, foreign: Mapping[str, int]) -> ObservedNode:
    """A node's numbers as the stock's writer takes them, with what others request subtracted by it."""
    return ObservedNode(
        name=reading.name,
        uid=reading.uid,
        is_ready=reading.is_ready,
        is_schedulable=reading.is_schedulable,
        not_ready_since=reading.not_ready_since,
        conditions=reading.conditions,
        labels=reading.labels,
        taint_keys=reading.taint_keys,
        driver_version=reading.versions.get("driver", ""),
        firmware_version=reading.versions.get("firmware", ""),
        runtime_version=reading.versions.get("runtime", ""),
        allocatable_cpu_millis=reading.cpu_millis,
        foreign_cpu_millis=foreign.get("cpu", 0),
        allocatable_memory_mib=reading.memory_mib,
        foreign_memory_mib=-(-foreign.get("memory", 0) // (1000 * 2**20)),
        stock={
            accelerator_id: (capacity, allocatable, foreign.get(reading.resources[accelerator_id], 0) // 1000)
            for accelerator_id, (capacity, allocatable) in reading.stock.items()
        },
    )


def read_catalogue_rows() -> list[CatalogueRow]:
    """The catalogue as node reading needs it."""
    return [
        CatalogueRow(
            accelerator_id=row.id,
            resource_name=row.resource_name,
            product_labels=row.product_labels,
            product_values=row.product_values,
            driver_labels=row.driver_labels,
        )
        for row in Accelerator.objects.order_by("code")
    ]


def list_watched_clusters() -> list[UUID]:
    """Clusters that have a connection and are not removed."""
    with as_actor(ACTOR):
        return list(
            Cluster.objects.filter(connection__isnull=False).exclude(status="removed").values_list("id", flat=True)
        )


def _instance_of(pod: Json) -> UUID | None:
    """The instance a pod of this installation belongs to; None for every other pod."""
    labels = pod.get("metadata", {}).get("labels") or {}
    if labels.get(LABEL_INSTALLATION) != str(settings.INSTALLATION_ID):
        return None
    try:
        return ids.parse_id(prefix="ins", text=labels.get(LABEL_INSTANCE, ""))
    except ids.MalformedId:
        return None


def _may_have_next_step(sighting: Sighting) -> bool:
    try:
        return calls_for_a_step(read_pod(sighting))
    except KubeGarbage:
        return True


def _holds_something(pod: Json) -> bool:
    return bool(pod.get("spec", {}).get("nodeName")) and bool(pod_requests(pod))


def _matters(node: Json) -> tuple[Any, ...]:
    """The parts of a node whose change changes stock; heartbeats do not."""
    status, spec = node.get("status", {}), node.get("spec", {})
    conditions = {item.get("type"): item.get("status") for item in status.get("conditions") or []}
    return (
        conditions,
        spec.get("unschedulable"),
        spec.get("taints"),
        status.get("allocatable"),
        status.get("capacity"),
        node.get("metadata", {}).get("labels"),
    )

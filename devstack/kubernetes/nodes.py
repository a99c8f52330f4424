"""Simulated nodes, labelled exactly as the vendors' discovery tools label real ones.

A node has no taint and no name that gives it away: what Ondol does with it, it would do with the real machine.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from devstack.kubernetes.admin_api import ApiRefused, Json
from devstack.kubernetes.control_plane import Cluster, wait_until
from devstack.kubernetes.kwok_configuration import MANAGED_LABEL

NODES: Final = "/api/v1/nodes"
NOT_READY_LABEL: Final = "node-not-ready.stage.kwok.x-k8s.io"
UNREADY_TAINTS: Final = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})


class NodeKind(StrEnum):
    """What stands in the rack."""

    H200 = "h200"
    A100_MIG = "a100-mig"
    RNGD = "rngd"
    ATOM = "atom"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """Labels of the vendor's discovery tool and the devices that its plugin reports."""

    labels: Mapping[str, str]
    devices: Mapping[str, int]
    cpu: str = "192"
    memory: str = "2113413180Ki"
    storage: str = "7Ti"
    pods: str = "250"
    system: Mapping[str, str] = field(
        default_factory=lambda: {
            "architecture": "amd64",
            "operatingSystem": "linux",
            "osImage": "Ubuntu 24.04.3 LTS",
            "kernelVersion": "6.8.0-85-generic",
            "containerRuntimeVersion": "containerd://2.1.4",
            "kubeletVersion": "v1.37.2",
            "kubeProxyVersion": "",
            "bootID": "",
            "machineID": "",
            "systemUUID": "",
        }
    )


def _gpu_feature_discovery(
    *, product: str, count: int, memory_mib: int, family: str, compute: tuple[int, int], machine: str
) -> dict[str, str]:
    return {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": product,
        "nvidia.com/gpu.count": str(count),
        "nvidia.com/gpu.memory": str(memory_mib),
        "nvidia.com/gpu.family": family,
        "nvidia.com/gpu.machine": machine,
        "nvidia.com/gpu.mode": "compute",
        "nvidia.com/gpu.replicas": "1",
        "nvidia.com/gpu.sharing-strategy": "none",
        "nvidia.com/gpu.compute.major": str(compute[0]),
        "nvidia.com/gpu.compute.minor": str(compute[1]),
        "nvidia.com/mig.capable": "true",
        "nvidia.com/mig.strategy": "mixed",
        "nvidia.com/mps.capable": "false",
        "nvidia.com/vgpu.present": "false",
        "nvidia.com/cuda.driver-version.full": "580.95.05",
        "nvidia.com/cuda.driver-version.major": "580",
        "nvidia.com/cuda.driver-version.minor": "95",
        "nvidia.com/cuda.driver-version.revision": "05",
        "nvidia.com/cuda.runtime-version.full": "13.0",
        "nvidia.com/cuda.runtime-version.major": "13",
        "nvidia.com/cuda.runtime-version.minor": "0",
        "feature.node.kubernetes.io/pci-10de.present": "true",
    }


SHAPES: Final[Mapping[NodeKind, NodeShape]] = {
    NodeKind.H200: NodeShape(
        labels=_gpu_feature_discovery(
            product="NVIDIA-H200", count=8, memory_mib=143_771, family="hopper", compute=(9, 0), machine="DGXH200"
        ),
        devices={"nvidia.com/gpu": 8},
    ),
    NodeKind.A100_MIG: NodeShape(
        labels={
            **_gpu_feature_discovery(
                product="NVIDIA-A100-SXM4-80GB",
                count=8,
                memory_mib=81_920,
                family="ampere",
                compute=(8, 0),
                machine="DGXA100",
            ),
            "nvidia.com/mig.config": "all-1g.10gb",
            "nvidia.com/mig.config.state": "success",
            "nvidia.com/mig-1g.10gb.count": "56",
            "nvidia.com/mig-1g.10gb.memory": "9728",
            "nvidia.com/mig-1g.10gb.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb",
            "nvidia.com/mig-1g.10gb.replicas": "1",
        },
        # Seven instances on each of eight cards; whole cards are then reported as none.
        devices={"nvidia.com/gpu": 0, "nvidia.com/mig-1g.10gb": 56},
        cpu="256",
    ),
    NodeKind.RNGD: NodeShape(
        labels={
            "furiosa.ai/npu.count": "8",
            "furiosa.ai/npu.family": "rngd",
            "furiosa.ai/npu.product": "rngd",
            "furiosa.ai/driver.version": "2025.3.1",
            "furiosa.ai/firmware.version": "2025.3.1",
            "feature.node.kubernetes.io/pci-1200_1ed2.present": "true",
        },
        devices={"furiosa.ai/rngd": 8},
        cpu="128",
        memory="1056706590Ki",
    ),
    NodeKind.ATOM: NodeShape(
        labels={
            "rebellions.ai/npu.present": "true",
            "rebellions.ai/npu.count": "8",
            "rebellions.ai/npu.family": "ATOM",
            "rebellions.ai/npu.product": "RBLN-CA22",
            "rebellions.ai/driver-version.full": "2.0.1",
        },
        devices={"rebellions.ai/ATOM": 8},
        cpu="128",
        memory="1056706590Ki",
    ),
}


def add_node(
    cluster: Cluster,
    *,
    kind: NodeKind,
    name: str,
    devices: int | None = None,
    labels: Mapping[str, str] | None = None,
    zone: str = "kr-central-a",
) -> None:
    """Add a node; it becomes Ready by itself, see `wait_nodes_ready`.

    Args:
        devices: How many devices instead of the kind's own number, of the resource that the kind has.
        labels: Further labels, e.g. to keep one test's nodes apart.
    """
    cluster.api.create(NODES, describe_node(kind=kind, name=name, devices=devices, labels=labels or {}, zone=zone))


def describe_node(*, kind: NodeKind, name: str, devices: int | None, labels: Mapping[str, str], zone: str) -> Json:
    """The node object that `add_node` sends."""
    shape = SHAPES[kind]
    counts = {
        resource: count if devices is None or count == 0 else devices for resource, count in shape.devices.items()
    }
    own_labels = dict(shape.labels)
    if devices is not None:
        own_labels |= {
            label: str(devices) for label, value in shape.labels.items() if _counts_devices(label, value, shape)
        }
    capacity = {
        "cpu": shape.cpu,
        "memory": shape.memory,
        "ephemeral-storage": shape.storage,
        "pods": shape.pods,
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        **{resource: str(count) for resource, count in counts.items()},
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/region": zone.rpartition("-")[0],
                "topology.kubernetes.io/zone": zone,
                MANAGED_LABEL: "true",
                **own_labels,
                **labels,
            },
        },
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
            "capacity": capacity,
            "allocatable": capacity,
            "nodeInfo": dict(shape.system),
        },
    }


def remove_node(cluster: Cluster, *, name: str) -> None:
    """Delete the node object; repeatable. Its pods follow by garbage collection."""
    cluster.api.delete(f"{NODES}/{name}")


def fail_node(cluster: Cluster, *, name: str) -> None:
    """Ready becomes False within about 2 s and stays so until `restore_node`; pods are evicted 10 s later."""
    _label(cluster, name, {NOT_READY_LABEL: "true"})


def lose_node(cluster: Cluster, *, name: str) -> None:
    """The node falls silent: Unknown after 15 s, its pods hang in Terminating until `restore_node`."""
    _label(cluster, name, {MANAGED_LABEL: None})


def restore_node(cluster: Cluster, *, name: str) -> None:
    """Undo `fail_node` and `lose_node`; repeatable."""
    _label(cluster, name, {NOT_READY_LABEL: None, MANAGED_LABEL: "true"})


def set_devices(cluster: Cluster, *, name: str, resource: str, count: int) -> None:
    """Let the node report another number of devices, as after a broken card or a new partitioning."""
    counts = {resource: str(count)}
    cluster.api.merge(f"{NODES}/{name}/status", {"status": {"capacity": counts, "allocatable": counts}})


def wait_nodes_ready(cluster: Cluster, *, names: Iterable[str], timeout_s: float = 60) -> float:
    """Wait until the nodes are Ready *and* free of unready taints; returns the seconds waited.

    Raises:
        TimeoutError: Names the nodes that are not.
    """
    wanted = set(names)

    def is_ready() -> bool:
        ready = {node["metadata"]["name"] for node in cluster.api.list(NODES) if is_usable(node)}
        return wanted <= ready

    return wait_until(
        f"nodes {', '.join(sorted(wanted))} ready in {cluster.name}", timeout_s=timeout_s, is_true=is_ready
    )


def wait_node_unready(cluster: Cluster, *, name: str, timeout_s: float = 60) -> float:
    """Wait until the node is not Ready any more (False or Unknown); returns the seconds waited.

    Raises:
        TimeoutError: It still is.
    """
    return wait_until(
        f"node {name} not ready in {cluster.name}",
        timeout_s=timeout_s,
        is_true=lambda: not is_usable(cluster.api.get(f"{NODES}/{name}")),
    )


def is_usable(node: Json) -> bool:
    """Ready and without the taints that a node has before or after that."""
    conditions = node["status"].get("conditions", [])
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    taints = {taint["key"] for taint in node["spec"].get("taints", [])}
    return ready and not taints & UNREADY_TAINTS


def _counts_devices(label: str, value: str, shape: NodeShape) -> bool:
    return label.endswith(".count") and value in {str(count) for count in shape.devices.values()}


def _label(cluster: Cluster, name: str, labels: Mapping[str, str | None]) -> None:
    try:
        cluster.api.merge(f"{NODES}/{name}", {"metadata": {"labels": dict(labels)}})
    except ApiRefused as error:
        if error.status == 404:
            raise LookupError(f"cluster {cluster.name} has no node {name}") from error
        raise

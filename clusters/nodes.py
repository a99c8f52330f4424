"""Node and pod objects read into numbers. Pure; names of resources and labels come from catalogue rows, never from code."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from clusters.desired import LABEL_INSTALLATION
from clusters.kube.errors import KubeGarbage
from clusters.observations import instant

Json = dict[str, Any]

_QUANTITY: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?")
_FACTORS: Final[Mapping[str, int]] = {
    "": 1000, "m": 1, "k": 10**6, "M": 10**9, "G": 10**12, "T": 10**15, "P": 10**18, "E": 10**21,
    "Ki": 1000 * 2**10, "Mi": 1000 * 2**20, "Gi": 1000 * 2**30, "Ti": 1000 * 2**40, "Pi": 1000 * 2**50, "Ei": 1000 * 2**60,
}  # fmt: skip
MIB: Final = 2**20
KEPT_LABEL_PREFIXES: Final = (
    "nvidia.com/", "furiosa.ai/", "rebellions.ai/", "mobilint.com/", "amd.com/", "beta.amd.com/", "habana.ai/",
    "topology.kubernetes.io/", "kubernetes.io/hostname", "node.kubernetes.io/instance-type",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueRow:
    """What of an accelerator is needed to recognise it on a node."""

    accelerator_id: UUID
    resource_name: str
    product_labels: Sequence[str]
    product_values: Sequence[str]
    driver_labels: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReading:
    """A node in numbers.

    Attributes:
        conditions: Types of conditions that are True, Ready apart.
        stock: For each accelerator id: (capacity, allocatable).
        resources: Accelerator id → resource name, for subtracting foreign requests.
    """

    name: str
    uid: str
    is_ready: bool
    is_schedulable: bool
    not_ready_since: datetime | None
    ready_since: datetime | None
    conditions: tuple[str, ...]
    labels: Mapping[str, str]
    taint_keys: tuple[str, ...]
    versions: Mapping[str, str]
    cpu_millis: int
    memory_mib: int
    stock: Mapping[UUID, tuple[int, int]]
    resources: Mapping[UUID, str]


def parse_quantity_millis(text: str) -> int:
    """A Kubernetes quantity in thousandths, rounded down; exact integers.

    Raises:
        KubeGarbage: Not a quantity.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise KubeGarbage(f"not a quantity: {text!r}")
    whole, fraction, unit = match.groups()
    factor = _FACTORS[unit or ""]
    value = int(whole) * factor
    if fraction:
        value += int(fraction) * factor // 10 ** len(fraction)
    return value


def parse_count(text: str) -> int:
    """A quantity in whole units, rounded down."""
    return parse_quantity_millis(text) // 1000


def read_node(*, node: Json, catalogue: Iterable[CatalogueRow]) -> NodeReading:
    """Read one node object.

    Raises:
        KubeGarbage: Names what is wrong; other nodes are read all the same.
    """
    try:
        return _read(node, catalogue)
    except (KeyError, TypeError, AttributeError) as error:
        raise KubeGarbage(f"not a node: {error}") from error


def _read(node: Json, catalogue: Iterable[CatalogueRow]) -> NodeReading:
    metadata, status, spec = node["metadata"], node.get("status", {}), node.get("spec", {})
    labels: dict[str, str] = dict(metadata.get("labels") or {})
    capacity, allocatable = status.get("capacity") or {}, status.get("allocatable") or {}
    taints = spec.get("taints") or []
    ready: Json = next((item for item in status.get("conditions") or [] if item.get("type") == "Ready"), {})
    is_ready = ready.get("status") == "True"
    rows = [row for row in catalogue if _is_on(row, labels, capacity, allocatable)]
    vendor_taints = {key for row in rows for key in (row.resource_name.split("/")[0],)}
    blocking = [
        taint
        for taint in taints
        if taint.get("effect") in ("NoSchedule", "NoExecute") and taint["key"].split("/")[0] not in vendor_taints
    ]
    return NodeReading(
        name=metadata["name"],
        uid=metadata["uid"],
        is_ready=is_ready,
        is_schedulable=not spec.get("unschedulable", False) and not blocking,
        not_ready_since=None if is_ready else instant(ready.get("lastTransitionTime")),
        ready_since=instant(ready.get("lastTransitionTime")) if is_ready else None,
        conditions=tuple(
            sorted(
                {
                    str(item["type"])[:60]
                    for item in status.get("conditions") or []
                    if item.get("status") == "True" and item.get("type") != "Ready"
                }
            )
        ),
        labels={key: value for key, value in labels.items() if key.startswith(KEPT_LABEL_PREFIXES)},
        taint_keys=tuple(sorted({taint["key"] for taint in taints})),
        versions=_versions(rows, labels),
        cpu_millis=parse_quantity_millis(allocatable.get("cpu", "0")),
        memory_mib=parse_count(allocatable.get("memory", "0")) // MIB,
        stock={
            row.accelerator_id: (
                parse_count(capacity.get(row.resource_name, "0")),
                parse_count(allocatable.get(row.resource_name, "0")),
            )
            for row in rows
        },
        resources={row.accelerator_id: row.resource_name for row in rows},
    )


def _is_on(row: CatalogueRow, labels: Mapping[str, str], capacity: Json, allocatable: Json) -> bool:
    if row.resource_name not in capacity and row.resource_name not in allocatable:
        return False
    if (
        parse_count(capacity.get(row.resource_name, "0")) == 0
        and parse_count(allocatable.get(row.resource_name, "0")) == 0
    ):
        return False
    return not row.product_values or any(labels.get(label) in row.product_values for label in row.product_labels)


def _versions(rows: Sequence[CatalogueRow], labels: Mapping[str, str]) -> dict[str, str]:
    """Driver, firmware and runtime: the first present variant of each label wins."""
    versions: dict[str, str] = {}
    for row in rows:
        for kind, keys in row.driver_labels.items():
            found = next((labels[key] for key in keys if labels.get(key)), "")
            if found:
                versions.setdefault(kind, found[:60])
    return versions


def foreign_requests(*, pods: Iterable[Json], installation_id: str) -> Mapping[str, Mapping[str, int]]:
    """For each node what pods of others request: `{node: {resource: thousandths}}`; ended pods request nothing."""
    totals: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for pod in pods:
        node = pod.get("spec", {}).get("nodeName")
        if node and is_foreign(pod=pod, installation_id=installation_id):
            for resource, amount in pod_requests(pod).items():
                totals[node][resource] += amount
    return totals


def is_foreign(*, pod: Json, installation_id: str) -> bool:
    """Whether a pod is not this installation's and still holds what it requested."""
    labels = pod.get("metadata", {}).get("labels") or {}
    if labels.get(LABEL_INSTALLATION) == installation_id:
        return False
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def pod_requests(pod: Json) -> dict[str, int]:
    """What a pod requests, in thousandths: the sum of its containers, or an init container's if that is larger."""
    spec = pod.get("spec", {})
    total: defaultdict[str, int] = defaultdict(int)
    for container in spec.get("containers") or []:
        for resource, amount in _requests(container).items():
            total[resource] += amount
    for container in spec.get("initContainers") or []:
        for resource, amount in _requests(container).items():
            total[resource] = max(total[resource], amount)
    return dict(total)


def _requests(container: Json) -> dict[str, int]:
    resources = container.get("resources") or {}
    amounts = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {resource: parse_quantity_millis(amount) for resource, amount in amounts.items()}

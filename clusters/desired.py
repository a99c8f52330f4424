"""What should exist in a cluster: namespace, limits, network policy and the pod, built from ids and checked numbers. Pure.

User text (command, environment, image, keys) is only ever a plain string value; it never becomes a name, label, selector or key.
Every pod passes Pod Security `restricted`; placement, tolerations and isolation come from our own rows, never from the customer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from marketplace.kernel import ids

Json = dict[str, Any]

LABEL_INSTALLATION: Final = "ondol.kr/installation"
LABEL_INSTANCE: Final = "ondol.kr/instance"
LABEL_ATTEMPT: Final = "ondol.kr/attempt"
LABEL_RANK: Final = "ondol.kr/rank"
LABEL_TENANT: Final = "ondol.kr/tenant"
LABEL_PROJECT: Final = "ondol.kr/project"
MAIN_CONTAINER: Final = "main"
POD_SECURITY_VERSION: Final = "v1.35"
"""Pinned: a cluster upgrade must not change what is admitted behind our back."""
GRACE_S: Final = 30
PODS_PER_PROJECT_MAX: Final = 512
USER_ID: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSpec:
    """Everything the objects of one attempt are made of.

    Attributes:
        node: The allocated node; the pod must go there and nowhere else.
        resource_name: The vendor's extended resource.
        is_node_dedicated: No other tenant's pod of this installation may stand on the node, then or later.
        taint_keys: Vendor taints from the catalogue row that the pod may tolerate.
        gang: What the pods of a gang have in common in their names; "" for a single pod.
        rank, nodes: Which pod of how many.
    """

    installation_id: str
    tenant_id: str
    project_id: str
    instance_id: str
    attempt: int
    namespace: str
    pod_name: str
    node: str
    resource_name: str
    devices: int
    cpu_millis: int
    memory_mib: int
    storage_mib: int
    kind: str
    image: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] | None = None
    ssh_public_keys: Sequence[str] = ()
    taint_keys: Sequence[str] = ()
    max_duration_s: int | None = None
    is_node_dedicated: bool = False
    gang: str = ""
    rank: int = 0
    nodes: int = 1


def build_namespace(spec: WorkloadSpec) -> Json:
    """The project's namespace with the restricted Pod Security profile enforced."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": spec.namespace,
            "labels": {
                LABEL_INSTALLATION: spec.installation_id,
                LABEL_TENANT: spec.tenant_id,
                LABEL_PROJECT: spec.project_id,
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": POD_SECURITY_VERSION,
                "pod-security.kubernetes.io/audit": "restricted",
                "pod-security.kubernetes.io/warn": "restricted",
            },
        },
    }


def build_namespaced(spec: WorkloadSpec) -> list[tuple[str, Json]]:
    """What stands in the namespace before any pod: `(path, object)` for ResourceQuota, LimitRange and NetworkPolicy."""
    metadata = {"namespace": spec.namespace, "labels": {LABEL_INSTALLATION: spec.installation_id}}
    core = f"/api/v1/namespaces/{spec.namespace}"
    return [
        (
            f"{core}/resourcequotas/ondol",
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {"name": "ondol", **metadata},
                "spec": {
                    "hard": {
                        "pods": str(PODS_PER_PROJECT_MAX),
                        "services.loadbalancers": "0",
                        "services.nodeports": "0",
                    }
                },
            },
        ),
        (
            f"{core}/limitranges/ondol",
            {
                "apiVersion": "v1",
                "kind": "LimitRange",
                "metadata": {"name": "ondol", **metadata},
                "spec": {
                    "limits": [
                        {
                            "type": "Container",
                            "default": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"},
                            "defaultRequest": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"},
                        }
                    ]
                },
            },
        ),
        (
            f"/apis/networking.k8s.io/v1/namespaces/{spec.namespace}/networkpolicies/ondol",
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": "ondol", **metadata},
                "spec": {
                    # Everything is denied but name resolution inside the cluster; the metadata address is not reachable, since
                    # no rule allows any address outside kube-system.
                    "podSelector": {},
                    "policyTypes": ["Ingress", "Egress"],
                    "egress": [
                        {
                            "to": [
                                {
                                    "namespaceSelector": {
                                        "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
                                    },
                                    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                                }
                            ],
                            "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
                        }
                    ],
                },
            },
        ),
    ]


def build_gang(spec: WorkloadSpec, *, owner_uid: str) -> list[tuple[str, Json]]:
    """What lets the pods of one gang, and nobody else, find and reach each other: `(path, object)`s.

    They belong to the pod of rank 0, so that the cluster removes them with it.

    Args:
        owner_uid: Of the pod of rank 0.
    """
    metadata = {
        "name": spec.gang,
        "namespace": spec.namespace,
        "labels": {LABEL_INSTALLATION: spec.installation_id, LABEL_INSTANCE: spec.instance_id},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": spec.pod_name, "uid": owner_uid}],
    }
    members = {LABEL_INSTANCE: spec.instance_id, LABEL_ATTEMPT: str(spec.attempt)}
    peers = [{"podSelector": {"matchLabels": members}}]
    return [
        (
            f"/api/v1/namespaces/{spec.namespace}/services/{spec.gang}",
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                # Ranks look for each other before they are ready.
                "spec": {"clusterIP": "None", "selector": members, "publishNotReadyAddresses": True},
            },
        ),
        (
            f"/apis/networking.k8s.io/v1/namespaces/{spec.namespace}/networkpolicies/{spec.gang}",
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": metadata,
                "spec": {
                    "podSelector": {"matchLabels": members},
                    "policyTypes": ["Ingress", "Egress"],
                    "ingress": [{"from": peers}],
                    "egress": [{"to": peers}],
                },
            },
        ),
    ]


def host_of(rank: int) -> str:
    """The host name of a gang's pod within its service."""
    return f"rank-{rank}"


def build_pod(spec: WorkloadSpec) -> Json:
    """The pod of one attempt, or of one rank of it."""
    amounts = {
        "cpu": f"{spec.cpu_millis}m",
        "memory": f"{spec.memory_mib}Mi",
        "ephemeral-storage": f"{spec.storage_mib}Mi",
        spec.resource_name: str(spec.devices),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": spec.pod_name,
            "namespace": spec.namespace,
            "labels": {
                LABEL_INSTALLATION: spec.installation_id,
                LABEL_INSTANCE: spec.instance_id,
                LABEL_ATTEMPT: str(spec.attempt),
                **({LABEL_RANK: str(spec.rank)} if spec.gang else {}),
                LABEL_TENANT: spec.tenant_id,
                LABEL_PROJECT: spec.project_id,
            },
        },
        "spec": {
            **({"hostname": host_of(spec.rank), "subdomain": spec.gang} if spec.gang else {}),
            "restartPolicy": "Never" if spec.kind == "job" else "Always",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": GRACE_S,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "runAsGroup": USER_ID,
                "fsGroup": USER_ID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "affinity": {"nodeAffinity": _required_node(spec.node), **_alone_on_node(spec)},
            "tolerations": [{"key": key, "operator": "Exists"} for key in spec.taint_keys],
            "containers": [_main_container(spec, amounts)],
            "volumes": [
                {"name": "work", "emptyDir": {"sizeLimit": f"{spec.storage_mib}Mi"}},
                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{max(64, spec.memory_mib // 4)}Mi"}},
            ],
        },
    }


def _required_node(node: str) -> Json:
    """Required, never preferred: one taint or foreign pod would move it onto devices promised to others."""
    return {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]
        }
    }


def _alone_on_node(spec: WorkloadSpec) -> Json:
    """Kept from pods of other tenants by the scheduler as well, in every namespace; it holds against pods that come later, too."""
    if not spec.is_node_dedicated:
        return {}
    others = [
        {"key": LABEL_INSTALLATION, "operator": "Exists"},
        {"key": LABEL_TENANT, "operator": "NotIn", "values": [spec.tenant_id]},
    ]
    term = {
        "labelSelector": {"matchExpressions": others},
        "namespaceSelector": {},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _main_container(spec: WorkloadSpec, amounts: Mapping[str, str]) -> Json:
    environment = dict(spec.environment or {})
    if spec.ssh_public_keys:
        environment["ONDOL_SSH_PUBLIC_KEYS"] = "\n".join(spec.ssh_public_keys)
    if spec.gang:
        environment["ONDOL_RANK"] = str(spec.rank)
        environment["ONDOL_NODES"] = str(spec.nodes)
        environment["ONDOL_RANK_0_ADDRESS"] = f"{host_of(0)}.{spec.gang}"
    container: Json = {
        "name": MAIN_CONTAINER,
        "image": spec.image,
        "env": [{"name": name, "value": _literal(value)} for name, value in sorted(environment.items())],
        "resources": {"requests": dict(amounts), "limits": dict(amounts)},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
        },
        "volumeMounts": [
            {"name": "work", "mountPath": "/workspace"},
            # A path in the pod, not here.
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108  # nosec B108
        ],
    }
    if spec.command:
        container["command"] = [_literal(part) for part in spec.command]
    return container


def _literal(text: str) -> str:
    """Kubernetes expands $(NAME) in commands and values; the customer's text is meant literally."""
    return text.replace("$(", "$$(")


def typed(prefix: str, value: UUID) -> str:
    """An id as a label value: the public TypeID, which is a valid label and means nothing outside Ondol."""
    return ids.format_id(prefix=prefix, value=value)

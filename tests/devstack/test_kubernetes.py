"""The clusters are real where it matters: certificates, roles, admission, quotas; nodes look like the vendors' machines."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.kubernetes import nodes
from devstack.kubernetes.access import bootstrap_provider_access
from devstack.kubernetes.admin_api import AdminApi, ApiRefused
from devstack.kubernetes.control_plane import Cluster, LocalCluster, wait_until
from devstack.kubernetes.nodes import NodeKind

PODS = "/api/v1/namespaces/default/pods"

ROLES = """
apiVersion: v1
kind: Namespace
metadata: {name: example-system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: example, namespace: example-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: example}
rules:
  - {apiGroups: [""], resources: [nodes], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: example}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: example}
subjects: [{kind: ServiceAccount, name: example, namespace: example-system}]
"""


def _pod(name: str, *, devices: int, resource: str = "nvidia.com/gpu", node: str = "") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "registry.example/pytorch:2.8",
                    "resources": {"limits": {resource: str(devices), "cpu": "1", "memory": "1Gi"}},
                }
            ],
            **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}),
        },
    }


def _phase(cluster: Cluster, name: str) -> str:
    return str(cluster.api.get(f"{PODS}/{name}")["status"]["phase"])


@pytest.mark.journey
@pytest.mark.parametrize(
    ("kind", "resource", "count", "label", "value"),
    [
        (NodeKind.H200, "nvidia.com/gpu", 8, "nvidia.com/gpu.product", "NVIDIA-H200"),
        (NodeKind.A100_MIG, "nvidia.com/mig-1g.10gb", 56, "nvidia.com/mig.strategy", "mixed"),
        (NodeKind.RNGD, "furiosa.ai/rngd", 8, "furiosa.ai/npu.product", "rngd"),
        (NodeKind.ATOM, "rebellions.ai/ATOM", 8, "rebellions.ai/npu.product", "RBLN-CA22"),
    ],
)
def test_a_node_of_each_kind_runs_as_many_devices_as_it_has(
    clusters: dict[str, Cluster], *, kind: NodeKind, resource: str, count: int, label: str, value: str
) -> None:
    cluster = clusters["home"]
    name = f"kind-{kind}"
    nodes.add_node(cluster, kind=kind, name=name)
    try:
        nodes.wait_nodes_ready(cluster, names=[name])
        node = cluster.api.get(f"/api/v1/nodes/{name}")
        assert node["status"]["allocatable"][resource] == str(count)
        assert node["metadata"]["labels"][label] == value
        assert "taints" not in node["spec"]
        cluster.api.create(PODS, _pod(f"all-{kind}", devices=count, resource=resource, node=name))
        wait_until("it runs", timeout_s=20, is_true=lambda: _phase(cluster, f"all-{kind}") == "Running")
        cluster.api.create(PODS, _pod(f"more-{kind}", devices=1, resource=resource, node=name))
        wait_until("it is refused", timeout_s=20, is_true=lambda: _is_unschedulable(cluster, f"more-{kind}"))
        cluster.api.delete(f"{PODS}/all-{kind}", grace_s=0)
        wait_until("it takes the place", timeout_s=30, is_true=lambda: _phase(cluster, f"more-{kind}") == "Running")
        log = cluster.api.request("GET", f"{PODS}/more-{kind}/log")
        assert log == (200, "container started\n장치를 찾았습니다\nready\n".encode())
    finally:
        for pod in ("all", "more"):
            cluster.api.delete(f"{PODS}/{pod}-{kind}", grace_s=0)
        nodes.remove_node(cluster, name=name)


@pytest.mark.journey
def test_a_count_and_labels_can_be_chosen(clusters: dict[str, Cluster], node_labels: dict[str, str]) -> None:
    cluster = clusters["home"]
    nodes.add_node(cluster, kind=NodeKind.H200, name="two-cards", devices=2, labels=node_labels)
    try:
        node = cluster.api.get("/api/v1/nodes/two-cards")
        assert node["status"]["capacity"]["nvidia.com/gpu"] == "2"
        assert node["metadata"]["labels"]["nvidia.com/gpu.count"] == "2"
        assert node["metadata"]["labels"].items() >= node_labels.items()
        nodes.wait_nodes_ready(cluster, names=["two-cards"])
        nodes.set_devices(cluster, name="two-cards", resource="nvidia.com/gpu", count=1)
        assert cluster.api.get("/api/v1/nodes/two-cards")["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    finally:
        nodes.remove_node(cluster, name="two-cards")


@pytest.mark.journey
def test_a_provider_hands_out_what_its_roles_allow_and_no_more(clusters: dict[str, Cluster], tmp_path: Path) -> None:
    roles = tmp_path / "roles.yaml"
    roles.write_text(ROLES, encoding="utf-8")
    text = bootstrap_provider_access(clusters["home"], roles=roles)
    document = yaml.safe_load(text)
    assert set(document["clusters"][0]["cluster"]) == {"server", "certificate-authority-data"}
    assert set(document["users"][0]["user"]) == {"token"}
    (tmp_path / "kubeconfig").write_text(text, encoding="utf-8")
    api = AdminApi.from_kubeconfig(tmp_path / "kubeconfig")
    names = [
        {item["metadata"]["name"] for item in reader.list("/api/v1/nodes")} for reader in (api, clusters["home"].api)
    ]
    assert names[0] == names[1]
    with pytest.raises(ApiRefused) as refused:
        api.list(PODS)
    assert (refused.value.status, refused.value.reason) == (403, "Forbidden")


@pytest.mark.journey
def test_admission_is_on(clusters: dict[str, Cluster]) -> None:
    cluster = clusters["away"]
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.api.create("/api/v1/namespaces", {"metadata": {"name": "strict", "labels": labels}})
    wait_until(
        "its service account",
        timeout_s=20,
        is_true=lambda: cluster.api.request("GET", "/api/v1/namespaces/strict/serviceaccounts/default")[0] == 200,
    )
    quota = {"metadata": {"name": "devices"}, "spec": {"hard": {"requests.nvidia.com/gpu": "0"}}}
    cluster.api.create("/api/v1/namespaces/strict/resourcequotas", quota)
    path = "/api/v1/namespaces/strict/pods"
    with pytest.raises(ApiRefused, match='violates PodSecurity "restricted'):
        cluster.api.create(path, _pod("root", devices=1))
    wait_until(
        "the quota is counted",
        timeout_s=20,
        is_true=lambda: "status" in cluster.api.get("/api/v1/namespaces/strict/resourcequotas/devices"),
    )
    pod = _pod("over", devices=1)
    pod["spec"]["securityContext"] = {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod["spec"]["containers"][0]["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    with pytest.raises(ApiRefused, match="exceeded quota: devices"):
        cluster.api.create(path, pod)
    assert cluster.api.list(path) == []


@pytest.mark.journey
def test_a_stranger_is_refused_and_the_certificate_is_checked(clusters: dict[str, Cluster]) -> None:
    cluster = clusters["home"]
    trusting = ssl.create_default_context(cadata=base64.b64decode(cluster.authority_data).decode())
    status, body = AdminApi(server=cluster.server, context=trusting, token="guess").request("GET", "/api/v1/nodes")
    assert (status, json.loads(body)["reason"]) == (401, "Unauthorized")
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{cluster.server}/readyz")


@pytest.mark.disruptive
def test_nodes_fail_fall_silent_and_return(own_cluster: LocalCluster) -> None:
    """A failed node says that it is not ready; of a lost one the cluster no longer knows."""

    def readiness() -> str:
        conditions = own_cluster.api.get("/api/v1/nodes/a")["status"]["conditions"]
        return next(str(condition["status"]) for condition in conditions if condition["type"] == "Ready")

    nodes.add_node(own_cluster, kind=NodeKind.H200, name="a")
    nodes.wait_nodes_ready(own_cluster, names=["a"])
    assert readiness() == "True"
    for disturb, told in ((nodes.fail_node, "False"), (nodes.lose_node, "Unknown")):
        disturb(own_cluster, name="a")
        nodes.wait_node_unready(own_cluster, name="a")
        assert readiness() == told
        nodes.restore_node(own_cluster, name="a")
        nodes.wait_nodes_ready(own_cluster, names=["a"])
        assert readiness() == "True"


@pytest.mark.disruptive
def test_the_api_server_alone_goes_and_comes_back_with_its_data(own_cluster: LocalCluster) -> None:
    own_cluster.api.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "kept"}, "data": {"a": "1"}})
    server, pids = own_cluster.server, own_cluster.pids()
    own_cluster.stop_api_server()
    assert not own_cluster.api.is_ready()
    assert not Path(f"/proc/{pids['kube-apiserver']}").exists()
    own_cluster.start_api_server()
    assert own_cluster.server == server
    assert own_cluster.api.get("/api/v1/namespaces/default/configmaps/kept")["data"] == {"a": "1"}
    after = own_cluster.pids()
    assert after.pop("kube-apiserver") != pids.pop("kube-apiserver")
    assert after == pids


def _is_unschedulable(cluster: Cluster, name: str) -> bool:
    conditions = cluster.api.get(f"{PODS}/{name}")["status"].get("conditions", [])
    return any(condition.get("reason") == "Unschedulable" for condition in conditions)

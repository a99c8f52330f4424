"""What a provider does once for Ondol: apply the roles of deploy/ and hand out a kubeconfig with a token and nothing else."""

from pathlib import Path
from typing import Final

import yaml

from devstack import paths
from devstack.kubernetes.admin_api import Json
from devstack.kubernetes.control_plane import Cluster, wait_until

ROLES: Final = paths.REPOSITORY / "deploy/kubernetes/roles/ondol.yaml"
NAMESPACE: Final = "ondol-system"
TOKEN_VALIDITY_S: Final = 365 * 24 * 3600
"""A year: a provider's own choice in production; here a devstack must never outlive its token."""

COLLECTIONS: Final = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}


def bootstrap_provider_access(cluster: Cluster, *, roles: Path = ROLES) -> str:
    """Apply the roles file and return the text of a kubeconfig for its service account; repeatable, each time a new token.

    Raises:
        FileNotFoundError: There is no roles file.
        KeyError: The file has a kind that `COLLECTIONS` does not know, or no service account.
        ApiRefused: The cluster refuses.
    """
    documents: list[Json] = [
        document for document in yaml.safe_load_all(roles.read_text(encoding="utf-8")) if document is not None
    ]
    for document in documents:
        apply_document(cluster, document)
    accounts = [document for document in documents if document["kind"] == "ServiceAccount"]
    if not accounts:
        raise KeyError(f"{roles.name} has no ServiceAccount")
    name, namespace = accounts[0]["metadata"]["name"], accounts[0]["metadata"]["namespace"]
    token = request_token(cluster, name=name, namespace=namespace)
    return write_provider_kubeconfig(cluster, token=token)


def apply_document(cluster: Cluster, document: Json) -> None:
    """Server-side apply one object of a kind in `COLLECTIONS`; repeatable."""
    metadata = document["metadata"]
    collection = COLLECTIONS[document["kind"]].format(namespace=metadata.get("namespace", ""))
    cluster.api.apply(f"{collection}/{metadata['name']}", document)


def request_token(cluster: Cluster, *, name: str, namespace: str, validity_s: int = TOKEN_VALIDITY_S) -> str:
    """Issue a token of a service account by TokenRequest."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
    wait_until(
        f"service account {namespace}/{name}", timeout_s=20, is_true=lambda: cluster.api.request("GET", path)[0] == 200
    )
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": validity_s},
    }
    return str(cluster.api.create(f"{path}/token", body)["status"]["token"])


def write_provider_kubeconfig(cluster: Cluster, *, token: str) -> str:
    """A kubeconfig with a server, its authority's certificate and a token: all that Ondol's own parser reads."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster.name,
                "cluster": {"server": cluster.server, "certificate-authority-data": cluster.authority_data},
            }
        ],
        "users": [{"name": "ondol", "user": {"token": token}}],
        "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": "ondol"}}],
        "current-context": cluster.name,
    }
    return yaml.safe_dump(document)

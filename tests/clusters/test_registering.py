"""Connecting a cluster: refused files, garbage answers, another's claim, the same cluster twice; nothing half-written."""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from clusters.claim import ClusterClaimed
from clusters.kube.kubeconfig import KubeconfigRefused
from clusters.models import ClusterConnection
from clusters.operations import ClusterAlreadyRegistered, ClusterAnswersGarbage, ClusterUnreachable, register_cluster
from devstack.kubernetes.access import bootstrap_provider_access, write_provider_kubeconfig
from devstack.kubernetes.admin_api import AdminApi
from devstack.kubernetes.control_plane import Cluster
from devstack.kubernetes.pki import write_pki
from marketplace.inventory.models import Cluster as ClusterRow
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from tests.market import NOW, STAFF, SmallMarket, build_market

pytestmark = [pytest.mark.journey, pytest.mark.committing]


def register(market: SmallMarket, kubeconfig: str, *, name: str = "new") -> ClusterRow:
    """Register a cluster of the small market's site."""
    return register_cluster(actor=STAFF, site_id=market.site.id, name=name, kubeconfig=kubeconfig, now=NOW)


def nothing_written() -> bool:
    """No connection, and only the small market's own cluster."""
    with as_actor(STAFF):
        return ClusterRow.objects.count() == 1 and not ClusterConnection.objects.exists()


def test_a_hostile_kubeconfig_is_refused_and_nothing_is_stored(clusters: dict[str, Cluster]) -> None:
    """A true cluster's file with a command in it; the command never runs."""
    market = build_market()
    kubeconfig = bootstrap_provider_access(clusters["home"])
    hostile = kubeconfig.replace("user:\n", "user:\n    exec: {command: touch, args: [executed]}\n", 1)
    assert hostile != kubeconfig
    with pytest.raises(KubeconfigRefused) as refused:
        register(market, hostile)
    assert refused.value.pointer == "/users/user/exec"
    assert nothing_written()


def test_a_cluster_is_claimed_once_and_its_credentials_are_sealed(clusters: dict[str, Cluster], settings: Any) -> None:
    """Again it is already registered; another installation is refused by name; the token is nowhere in clear."""
    market = build_market()
    kubeconfig = bootstrap_provider_access(clusters["away"])
    token = kubeconfig.split("token: ")[1].split()[0]
    row = register(market, kubeconfig)
    with as_actor(STAFF):
        stored = ClusterConnection.objects.get(cluster=row)
        assert token.encode() not in bytes(stored.ciphertext)
        assert stored.address == "127.0.0.1"
    with pytest.raises(ClusterAlreadyRegistered) as again:
        register(market, kubeconfig, name="other")
    assert again.value.facts == {"name": "new"}
    ours = settings.INSTALLATION_ID
    settings.INSTALLATION_ID = ids.new_id()
    with pytest.raises(ClusterClaimed) as claimed:
        register(market, kubeconfig, name="third")
    assert claimed.value.facts["installation"] == str(ours)


@pytest.mark.parametrize(
    "answer",
    [b"<html>hello</html>", b"[]", b'{"gitVersion": 1}', b'{"gitVersion": "v1", "metadata": {"uid": "nonsense"}}'],
)
def test_a_server_that_answers_with_garbage_is_told_as_such(
    clusters: dict[str, Cluster], answer: bytes, tmp_path: Path
) -> None:
    """A clear error, and nothing stored."""
    market = build_market()
    with garbage_server(clusters["home"], answer, tmp_path) as kubeconfig, pytest.raises(ClusterAnswersGarbage):
        register(market, kubeconfig)
    assert nothing_written()


def test_a_server_that_is_not_there_is_unreachable(clusters: dict[str, Cluster]) -> None:
    """Retryable, and nothing stored."""
    market = build_market()
    kubeconfig = bootstrap_provider_access(clusters["home"])
    port = clusters["home"].server.rsplit(":", 1)[1]
    with pytest.raises(ClusterUnreachable) as unreachable:
        register(market, kubeconfig.replace(f":{port}", ":1"))
    assert unreachable.value.retryable
    assert nothing_written()


def test_ondols_role_is_exactly_what_it_does(clusters: dict[str, Cluster]) -> None:
    """What the API server says the service account may do, against the list that Ondol needs; an excess fails."""
    kubeconfig = bootstrap_provider_access(clusters["home"])
    token = kubeconfig.split("token: ")[1].split()[0]
    own = as_service_account(clusters["home"], token)
    cluster_wide = rules(own, "default")
    assert {key: verbs for key, verbs in cluster_wide.items() if key[1] in GOLDEN_RESOURCES} == GOLDEN
    assert not [key for key in cluster_wide if "*" in key or key[1] in ("secrets", "pods/exec", "pods/attach")]
    assert rules(own, "ondol-system")["", "configmaps"] == {"create", "get", "patch"}


GOLDEN = {
    ("", "namespaces"): {"create", "get", "patch"},
    ("", "limitranges"): {"create", "get", "patch"},
    ("", "resourcequotas"): {"create", "get", "patch"},
    ("networking.k8s.io", "networkpolicies"): {"create", "get", "patch"},
    ("", "services"): {"create", "get", "patch"},
    ("", "pods"): {"create", "delete", "get", "list", "patch", "watch"},
    ("", "nodes"): {"get", "list", "watch"},
}
GOLDEN_RESOURCES = {resource for _group, resource in GOLDEN} | {
    "secrets", "configmaps", "services", "persistentvolumeclaims", "pods/exec", "pods/log", "leases", "events", "*",
}  # fmt: skip


def as_service_account(cluster: Cluster, token: str) -> Any:
    """The devstack's client, as Ondol."""
    context = ssl.create_default_context(cadata=base64.b64decode(cluster.authority_data).decode())
    return AdminApi(server=cluster.server, context=context, token=token)


def rules(api: Any, namespace: str) -> dict[tuple[str, str], set[str]]:
    """`kubectl auth can-i --list`."""
    review = api.create(
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}},
    )
    found: dict[tuple[str, str], set[str]] = {}
    for rule in review["status"]["resourceRules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


@contextmanager
def garbage_server(cluster: Cluster, answer: bytes, directory: Path) -> Iterator[str]:
    """An HTTPS server with an authority of its own that says the same to everything; yields a kubeconfig for it."""

    class Handler(BaseHTTPRequestHandler):
        """Always the same."""

        def do_GET(self) -> None:
            """Answer."""
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    pki = write_pki(directory)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki.certificate("serving"), pki.key("serving"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    text = write_provider_kubeconfig(cluster, token="t")
    authority = base64.b64encode(pki.authority.read_bytes()).decode()
    text = text.replace(cluster.server, f"https://127.0.0.1:{server.server_port}").replace(
        cluster.authority_data, authority
    )
    yield text
    server.shutdown()
    server.server_close()

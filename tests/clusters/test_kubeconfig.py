"""Our own reader of uploaded kubeconfigs: hostile files are refused by name; nothing is executed or dialled."""

import base64
import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from clusters.kube.kubeconfig import KubeconfigRefused, parse_kubeconfig

pytestmark = pytest.mark.unit

NETWORKS = ["10.20.0.0/16", "2001:db8::/32"]


def make_certificate() -> str:
    """A self-signed certificate in base64 of PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime(2026, 11, 24, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode()


AUTHORITY = make_certificate()
GOOD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [
        {"name": "c", "cluster": {"server": "https://api.c.example:6443", "certificate-authority-data": AUTHORITY}}
    ],
    "users": [{"name": "u", "user": {"token": "token-1"}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x",
}


def parse(document: Any, *, addresses: tuple[str, ...] = ("10.20.3.4",)) -> Any:
    """Parse a document with a resolver of our own."""
    text = document if isinstance(document, str) else yaml.safe_dump(document)
    return parse_kubeconfig(text=text, allowed_networks=NETWORKS, resolve=lambda _host: addresses)


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """GOOD with one member changed, or added."""
    document = copy.deepcopy(GOOD)
    target: Any = document
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return document


def test_a_plain_kubeconfig_is_read_and_its_address_kept() -> None:
    """The connection will go to the address that was checked, whatever the name says later."""
    endpoint = parse(GOOD)
    assert (endpoint.server, endpoint.address, endpoint.token) == ("https://api.c.example:6443", "10.20.3.4", "token-1")
    assert endpoint.ca_pem.startswith("-----BEGIN CERTIFICATE-----")


CLUSTER = ("clusters", 0, "cluster")
USER = ("users", 0, "user")


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (changed((*USER, "exec"), {"command": "/bin/sh", "args": ["-c", "touch executed"]}), "/users/user/exec"),
        (changed((*USER, "auth-provider"), {"name": "oidc"}), "/users/user/auth-provider"),
        (changed((*USER, "tokenFile"), "/etc/passwd"), "/users/user/tokenFile"),
        (changed((*USER, "client-certificate"), "/etc/passwd"), "/users/user/client-certificate"),
        (changed((*USER, "client-key"), "/etc/passwd"), "/users/user/client-key"),
        (changed((*USER, "username"), "admin"), "/users/user/username"),
        (changed((*USER, "as"), "system:admin"), "/users/user/as"),
        (changed((*CLUSTER, "certificate-authority"), "/etc/passwd"), "/clusters/cluster/certificate-authority"),
        (changed((*CLUSTER, "proxy-url"), "http://10.0.0.1"), "/clusters/cluster/proxy-url"),
        (changed((*CLUSTER, "insecure-skip-tls-verify"), value=True), "/clusters/cluster/insecure-skip-tls-verify"),
        (changed((*CLUSTER, "tls-server-name"), "other"), "/clusters/cluster/tls-server-name"),
        (changed((*CLUSTER, "server"), "http://api.c.example"), "/clusters/cluster/server"),
        (changed((*CLUSTER, "server"), "https://u:p@api.c.example"), "/clusters/cluster/server"),
        (changed((*CLUSTER, "server"), "https://api.c.example/path"), "/clusters/cluster/server"),
        (changed((*CLUSTER, "server"), "https://api.c.example:99999"), "/clusters/cluster/server"),
        (
            changed((*CLUSTER, "certificate-authority-data"), "bm90IGEgY2VydA=="),
            "/clusters/cluster/certificate-authority-data",
        ),
        (changed((*CLUSTER, "certificate-authority-data"), "%%%"), "/clusters/cluster/certificate-authority-data"),
        (changed(("extensions",), []), "/extensions"),
        (changed(("current-context",), "y"), "/contexts"),
        (changed(("clusters",), [*GOOD["clusters"], *copy.deepcopy(GOOD["clusters"])]), "/clusters"),
        (changed((*USER, "token"), "a b"), "/users/user/token"),
        ("- 1", "/"),
        ("{", "/"),
        ("a: 1\n---\nb: 2", "/"),
        ("a: &x [1]\nb: *x", "/"),
        ("kind: Config\nkind: Other", "/"),
        ("a: " + "[" * 5_000, "/"),
        ("x" * 65_537, "/"),
    ],
)
def test_a_hostile_kubeconfig_is_refused_by_name(
    document: Any, pointer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pointer names the member; no command ran."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KubeconfigRefused) as refused:
        parse(document)
    assert refused.value.pointer == pointer
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("169.254.169.254",),
        ("10.21.0.1",),
        ("10.20.3.4", "127.0.0.1"),
        ("::1",),
        ("::ffff:127.0.0.1",),
        (),
    ],
)
def test_a_server_outside_the_allowed_networks_is_refused(addresses: tuple[str, ...]) -> None:
    """Every address of the name must be allowed; a mapped IPv4 address counts as itself."""
    with pytest.raises(KubeconfigRefused) as refused:
        parse(GOOD, addresses=addresses)
    assert refused.value.pointer == "/clusters/cluster/server"


def test_nothing_is_allowed_where_no_network_is() -> None:
    """An empty list refuses all."""
    with pytest.raises(KubeconfigRefused):
        parse_kubeconfig(text=yaml.safe_dump(GOOD), allowed_networks=[], resolve=lambda _host: ("10.20.3.4",))

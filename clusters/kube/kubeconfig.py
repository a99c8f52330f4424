"""Our own strict reader of an uploaded kubeconfig: nothing in it is executed, opened or dialled.

The official loader runs `exec` commands. Here only the server, the authority's certificate, and a token or a client certificate of
the current context are read; everything else is refused by its name.
"""

import base64
import binascii
import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from cryptography import x509
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from clusters.kube.client import Endpoint
from marketplace.kernel.errors import ValidationFailed

KUBECONFIG_BYTES_MAX: Final = 64 * 1024
_TOP: Final = frozenset({"apiVersion", "kind", "clusters", "users", "contexts", "current-context", "preferences"})
_CLUSTER: Final = frozenset({"server", "certificate-authority-data"})
_USER: Final = frozenset({"token", "client-certificate-data", "client-key-data"})
_CONTEXT: Final = frozenset({"cluster", "user", "namespace"})

Resolver = Callable[[str], Sequence[str]]


class KubeconfigRefused(ValidationFailed):
    """The file has something in it that Ondol does not accept; `pointer` names the member."""

    code = "kubeconfig_refused"
    remedy = _(
        "Upload a kubeconfig with a server, certificate-authority-data and a token of Ondol's own service account"
        " (docs/operations/connect-a-cluster.md)."
    )


class _StrictLoader(yaml.SafeLoader):
    """YAML without anchors, aliases and repeated keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases: they can make a small file enormous."""
        if self.check_event(yaml.events.AliasEvent):
            raise _refused("/", _("YAML aliases are not accepted."))
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Refuse repeated keys: the last one would win silently."""
        keys = [self.construct_object(key, deep=True) for key, _value in node.value]
        if len(set(map(str, keys))) != len(keys):
            raise _refused("/", _("A member is repeated."))
        return super().construct_mapping(node, deep)


def parse_kubeconfig(*, text: str, allowed_networks: Iterable[str], resolve: Resolver | None = None) -> Endpoint:
    """Read a kubeconfig into an endpoint whose address was checked.

    Args:
        allowed_networks: CIDR networks in which every address of the server must lie; none = refuse all.
        resolve: Name → addresses; default: the system's resolver. The endpoint keeps the checked address, so a later change
            of the name's records cannot lead elsewhere.

    Raises:
        KubeconfigRefused: Names the member and says why.
    """
    document = _load(text)
    _only(document, _TOP, "")
    name = _text(document, "current-context", "")
    context = _named(document, "contexts", "context", name)
    _only(context, _CONTEXT, "/contexts/context")
    cluster = _named(document, "clusters", "cluster", _text(context, "cluster", "/contexts/context"))
    user = _named(document, "users", "user", _text(context, "user", "/contexts/context"))
    _only(cluster, _CLUSTER, "/clusters/cluster")
    _only(user, _USER, "/users/user")
    server = _server(_text(cluster, "server", "/clusters/cluster"))
    authority = _certificate(cluster, "certificate-authority-data", "/clusters/cluster")
    credentials = _credentials(user)
    return Endpoint(
        server=server,
        address=_checked_address(server, allowed_networks, resolve or _resolve),
        ca_pem=authority,
        **credentials,
    )


def _refused(pointer: str, reason: str | Promise) -> KubeconfigRefused:
    return KubeconfigRefused(reason=reason, pointer=pointer)


def _load(text: str) -> dict[str, Any]:
    if len(text.encode()) > KUBECONFIG_BYTES_MAX:
        raise _refused("/", _("The file is larger than 64 KiB."))
    try:
        # Safe: the loader is a stricter SafeLoader.
        document = yaml.load(text, Loader=_StrictLoader)  # noqa: S506  # nosec B506
    except yaml.YAMLError as error:
        raise _refused("/", _("The file is not YAML, or has several documents.")) from error
    except RecursionError as error:
        raise _refused("/", _("The file is nested too deeply.")) from error
    if not isinstance(document, dict):
        raise _refused("/", _("The file is not a kubeconfig."))
    return document


def _only(mapping: Mapping[str, Any], allowed: frozenset[str], pointer: str) -> None:
    for member in sorted(map(str, mapping)):
        if member not in allowed:
            raise _refused(f"{pointer}/{member}", _("The member %(member)s is not accepted.") % {"member": member[:60]})


def _text(mapping: Mapping[str, Any], member: str, pointer: str) -> str:
    value = mapping.get(member)
    if not isinstance(value, str) or not value:
        raise _refused(f"{pointer}/{member}", _("The member %(member)s is missing.") % {"member": member})
    return value


def _named(document: Mapping[str, Any], plural: str, singular: str, name: str) -> Mapping[str, Any]:
    items = document.get(plural)
    found = (
        [item for item in items if isinstance(item, dict) and item.get("name") == name]
        if isinstance(items, list)
        else []
    )
    if len(found) != 1 or not isinstance(found[0].get(singular), dict):
        raise _refused(f"/{plural}", _("There is not exactly one entry %(name)s.") % {"name": name[:60]})
    _only(found[0], frozenset({"name", singular}), f"/{plural}")
    body: Mapping[str, Any] = found[0][singular]
    return body


def _server(text: str) -> str:
    pointer = "/clusters/cluster/server"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _refused(pointer, _("The server is not a URL.")) from error
    if parts.scheme != "https" or not parts.hostname:
        raise _refused(pointer, _("The server must be an https URL."))
    if parts.username or parts.password or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise _refused(pointer, _("The server is only scheme, host and port."))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}:{port or 443}"


def _decoded(mapping: Mapping[str, Any], member: str, pointer: str) -> str:
    try:
        return base64.b64decode(_text(mapping, member, pointer), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _refused(
            f"{pointer}/{member}", _("The member %(member)s is not base64 of PEM.") % {"member": member}
        ) from error


def _certificate(mapping: Mapping[str, Any], member: str, pointer: str) -> str:
    pem = _decoded(mapping, member, pointer)
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise _refused(
            f"{pointer}/{member}", _("The member %(member)s is not a certificate.") % {"member": member}
        ) from error
    return pem


def _credentials(user: Mapping[str, Any]) -> dict[str, str]:
    pointer = "/users/user"
    if "token" in user:
        if len(user) > 1:
            raise _refused(pointer, _("Give a token or a client certificate, not both."))
        token = _text(user, "token", pointer).strip()
        if not token.isascii() or any(character.isspace() for character in token):
            raise _refused(f"{pointer}/token", _("The token has characters that no token has."))
        return {"token": token}
    return {
        "client_certificate_pem": _certificate(user, "client-certificate-data", pointer),
        "client_key_pem": _decoded(user, "client-key-data", pointer),
    }


def _resolve(host: str) -> Sequence[str]:
    return sorted({str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})


def _checked_address(server: str, allowed_networks: Iterable[str], resolve: Resolver) -> str:
    host = urlsplit(server).hostname or ""
    networks = [ipaddress.ip_network(network) for network in allowed_networks]
    pointer = "/clusters/cluster/server"
    try:
        addresses = [ipaddress.ip_address(address) for address in resolve(host)]
    except (OSError, ValueError) as error:
        raise _refused(pointer, _("The server's name cannot be resolved.")) from error
    for address in addresses:
        plain = getattr(address, "ipv4_mapped", None) or address
        if not any(plain in network for network in networks):
            raise _refused(pointer, _("The server's address lies outside the networks that the operator allows."))
    if not addresses:
        raise _refused(pointer, _("The server's name has no address."))
    return str(addresses[0])

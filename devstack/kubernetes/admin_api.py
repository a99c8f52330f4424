"""A small HTTPS client for a cluster's administrator: devstack's hands and the tests' eyes, never Ondol's.

Tests look at the cluster through this instead of through the product's client, so that a fault there cannot hide itself.
"""

import base64
import http.client
import json
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

TIMEOUT_S: Final = 30
STREAM_TIMEOUT_S: Final = 330
"""Longer than any watch lasts."""
APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
FIELD_MANAGER: Final = "devstack"

Json = dict[str, Any]


class ApiRefused(Exception):
    """The API server answered with an error.

    Attributes:
        status: The HTTP status.
        reason: Kubernetes' reason token, e.g. `NotFound`.
    """

    def __init__(self, *, method: str, path: str, status: int, body: Json) -> None:
        """Keep what was asked and what was answered."""
        self.status = status
        self.reason = str(body.get("reason", ""))
        super().__init__(f"{method} {path}: {status} {self.reason} {body.get('message', '')}")


class AdminApi:
    """One administrator's connection per thread; certificates are always verified."""

    def __init__(self, *, server: str, context: ssl.SSLContext, token: str = "") -> None:
        """Connect lazily to `server`, an https URL."""
        parts = urlsplit(server)
        self.server = server
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 443
        self._context = context
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._local = threading.local()

    @classmethod
    def from_kubeconfig(cls, path: Path) -> "AdminApi":
        """Read server, authority and client certificate or token of the current context; data only, nothing executed."""
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        contexts = {entry["name"]: entry["context"] for entry in document["contexts"]}
        chosen = contexts[document["current-context"]]
        cluster = {entry["name"]: entry["cluster"] for entry in document["clusters"]}[chosen["cluster"]]
        user = {entry["name"]: entry["user"] for entry in document["users"]}[chosen["user"]]
        authority = _read_data(cluster, "certificate-authority", base=path.parent).decode()
        context = ssl.create_default_context(cadata=authority)
        if "client-certificate-data" in user or "client-certificate" in user:
            _load_client(
                context,
                certificate=_read_data(user, "client-certificate", base=path.parent),
                key=_read_data(user, "client-key", base=path.parent),
            )
        return cls(server=cluster["server"], context=context, token=user.get("token", ""))

    def request(
        self, method: str, path: str, *, body: Json | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Send one request; returns status and body whatever the status.

        Raises:
            OSError: The server cannot be reached.
        """
        headers = {**self._headers, **({"Content-Type": content_type} if body is not None else {})}
        data = json.dumps(body).encode() if body is not None else None
        for attempt in (1, 2):
            connection = self._connection()
            try:
                connection.request(method, path, data, headers)
                response = connection.getresponse()
                return response.status, response.read()
            except (http.client.HTTPException, OSError):
                self.close()
                # A kept connection may have been closed since the last request; a new one tells whether the server is there.
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def call(self, method: str, path: str, *, body: Json | None = None, content_type: str = "application/json") -> Json:
        """Send one request and return the decoded answer.

        Raises:
            ApiRefused: The status is 400 or above.
            OSError: The server cannot be reached.
        """
        status, raw = self.request(method, path, body=body, content_type=content_type)
        answer: Json = json.loads(raw) if raw.startswith(b"{") else {"message": raw.decode(errors="replace")}
        if status >= 400:
            raise ApiRefused(method=method, path=path, status=status, body=answer)
        return answer

    def get(self, path: str) -> Json:
        """GET; see `call`."""
        return self.call("GET", path)

    def list(self, path: str) -> list[Json]:
        """GET a list and return its items; see `call`."""
        return list(self.call("GET", path)["items"])

    def create(self, path: str, body: Json) -> Json:
        """POST; see `call`."""
        return self.call("POST", path, body=body)

    def apply(self, path: str, body: Json) -> Json:
        """Server-side apply, taking fields from other managers; repeatable. See `call`."""
        return self.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", body=body, content_type=APPLY)

    def merge(self, path: str, body: Json) -> Json:
        """Merge patch: null removes a field. See `call`."""
        return self.call("PATCH", path, body=body, content_type=MERGE)

    def delete(self, path: str, *, grace_s: int | None = None) -> None:
        """DELETE; what is already gone is fine. See `call`."""
        try:
            self.call("DELETE", path, body=None if grace_s is None else {"gracePeriodSeconds": grace_s})
        except ApiRefused as error:
            if error.status != 404:
                raise

    @contextmanager
    def stream(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """GET an answer that goes on, e.g. a watch, on a connection of its own.

        Raises:
            ApiRefused: The status is 400 or above.
            OSError: The server cannot be reached.
        """
        connection = http.client.HTTPSConnection(
            self._host, self._port, context=self._context, timeout=STREAM_TIMEOUT_S
        )
        try:
            connection.request("GET", path, headers=self._headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise ApiRefused(
                    method="GET", path=path, status=response.status, body={"message": response.read().decode()}
                )
            yield response
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Whether `/readyz` says ok."""
        try:
            return self.request("GET", "/readyz") == (200, b"ok")
        except (http.client.HTTPException, OSError):
            return False

    def close(self) -> None:
        """Close this thread's connection; the next request opens another."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
        self._local.connection = None

    def _connection(self) -> http.client.HTTPSConnection:
        connection: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(self._host, self._port, context=self._context, timeout=TIMEOUT_S)
            self._local.connection = connection
        return connection


def _read_data(section: Mapping[str, str], name: str, *, base: Path) -> bytes:
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"])
    return (base / section[name]).read_bytes()


def _load_client(context: ssl.SSLContext, *, certificate: bytes, key: bytes) -> None:
    # The ssl module reads client certificates from files only; this one is gone before the function returns.
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)

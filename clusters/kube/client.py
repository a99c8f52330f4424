"""A thin client: raw JSON over one bounded, pinned connection pool per cluster.

The official client's models cost 1.7 times the time of a list (R9) and its loader runs commands named in a kubeconfig, so only
the wire protocol is used: TLS to the address that was checked, verified against the cluster's own authority and the server's
name, no redirects, bounded time and size.
"""

import json
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from clusters.kube.errors import (
    KubeConflict,
    KubeError,
    KubeForbidden,
    KubeGarbage,
    KubeInvalid,
    KubeNotFound,
    KubeThrottled,
    KubeUnavailable,
    WatchExpired,
)

FIELD_MANAGER: Final = "ondol"
CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 10
ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""A list of 5,000 pods is about 40 MB; anything larger is not an answer we can use."""
WATCH_LINE_BYTES_MAX: Final = 4 * 1024 * 1024
LIST_PAGE: Final = 1_000

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How to reach and whom to be.

    Attributes:
        server: `https://name:port`; the name is verified in the certificate.
        address: The address that was checked against the allowed networks; connections go there and nowhere else.
    """

    server: str
    address: str
    ca_pem: str
    token: str = ""
    client_certificate_pem: str = ""
    client_key_pem: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """All items of a list and the resource version to watch from."""

    items: list[Json]
    resource_version: str


class KubeClient:
    """One cluster's API. Thread-safe; keeps at most `connections` connections."""

    def __init__(self, endpoint: Endpoint, *, connections: int = 4) -> None:
        """Prepare; nothing is dialled before the first call."""
        parts = urlsplit(endpoint.server)
        host = parts.hostname or ""
        self._headers = {"Accept": "application/json", "User-Agent": "ondol"}
        if endpoint.token:
            self._headers["Authorization"] = f"Bearer {endpoint.token}"
        self._pool = urllib3.HTTPSConnectionPool(
            endpoint.address,
            parts.port or 443,
            maxsize=connections,
            block=True,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
            retries=False,
            ssl_context=_tls(endpoint),
            server_hostname=host,
            assert_hostname=host,
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def get(self, path: str) -> Json:
        """One object. Raises KubeNotFound and the other KubeErrors."""
        return self._call("GET", path)

    def list(self, path: str, *, label_selector: str = "") -> Listing:
        """All items, page by page."""
        items: list[Json] = []
        parameters = {"limit": str(LIST_PAGE), **({"labelSelector": label_selector} if label_selector else {})}
        while True:
            answer = self._call("GET", f"{path}?{urlencode(parameters)}")
            page, metadata = answer.get("items"), answer.get("metadata", {})
            if not isinstance(page, list) or not isinstance(metadata, dict):
                raise KubeGarbage(f"{path}: the answer is not a list")
            items.extend(page)
            if not metadata.get("continue"):
                return Listing(items=items, resource_version=str(metadata.get("resourceVersion", "")))
            parameters["continue"] = metadata["continue"]

    def watch(
        self, path: str, *, resource_version: str, timeout_s: int, label_selector: str = ""
    ) -> Iterator[tuple[str, Json]]:
        """Changes since a resource version, with bookmarks; ends after `timeout_s`.

        Raises:
            WatchExpired: List again.
        """
        parameters = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_s),
            **({"labelSelector": label_selector} if label_selector else {}),
        }
        response = self._send("GET", f"{path}?{urlencode(parameters)}", stream=True, read_timeout_s=timeout_s + 5)
        try:
            if response.status == 410:
                raise WatchExpired(path)
            if response.status >= 400:
                raise _refusal(response.status, response.read(65_536), path, response.headers)
            for line in _lines(response):
                yield _event(line, path)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise KubeUnavailable(f"{path}: {type(error).__name__}") from error
        finally:
            response.close()

    def create(self, path: str, body: Json) -> Json:
        """Make an object in the collection `path`; half the API server's work of an apply.

        For names that nobody can have used: a refused one counts against the namespace's ResourceQuota until its next resync.

        Raises:
            KubeConflict: The name is taken.
        """
        return self._call("POST", f"{path}?fieldManager={FIELD_MANAGER}", body=body)

    def apply(self, path: str, body: Json) -> Json:
        """Server-side apply; makes or changes the object, and may be repeated."""
        return self._call(
            "PATCH",
            f"{path}?fieldManager={FIELD_MANAGER}&force=true",
            body=body,
            content_type="application/apply-patch+yaml",
        )

    def dry_run_apply(self, path: str, body: Json) -> Json:
        """What `apply` would answer, with every admission check, writing nothing."""
        return self._call(
            "PATCH",
            f"{path}?fieldManager={FIELD_MANAGER}&force=true&dryRun=All",
            body=body,
            content_type="application/apply-patch+yaml",
        )

    def delete(self, path: str, *, uid: str, grace_s: int) -> None:
        """Delete this very object: another one under the same name is left alone (KubeConflict)."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": grace_s,
            "preconditions": {"uid": uid},
        }
        self._call("DELETE", path, body=body)

    def _call(
        self, method: str, path: str, *, body: Json | None = None, content_type: str = "application/json"
    ) -> Json:
        response = self._send(method, path, body=body, content_type=content_type)
        try:
            data = response.read(ANSWER_BYTES_MAX + 1)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            response.close()
            raise KubeUnavailable(f"{method} {path}: {type(error).__name__}") from error
        if len(data) > ANSWER_BYTES_MAX:
            response.close()
            raise KubeGarbage(f"{path}: the answer is larger than {ANSWER_BYTES_MAX} bytes")
        response.release_conn()
        if response.status >= 300:
            raise _refusal(response.status, data, path, response.headers)
        return _parse(data, path)

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        content_type: str = "application/json",
        stream: bool = False,
        read_timeout_s: int = READ_TIMEOUT_S,
    ) -> urllib3.BaseHTTPResponse:
        del stream  # the body is always read by the caller, in bounded pieces
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            return self._pool.urlopen(
                method,
                path,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                redirect=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s),
                pool_timeout=READ_TIMEOUT_S,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise KubeUnavailable(f"{method} {path}: {type(error).__name__}") from error


def segment(text: str) -> str:
    """One path segment, escaped."""
    return quote(text, safe="")


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=endpoint.ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if endpoint.client_certificate_pem:
        # The standard library reads client certificates from files only.
        with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
            file.write(endpoint.client_certificate_pem + "\n" + endpoint.client_key_pem)
        try:
            context.load_cert_chain(file.name)
        finally:
            Path(file.name).unlink()
    return context


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    pending = b""
    for chunk in response.read_chunked(amt=65_536, decode_content=True):
        pending += chunk
        *complete, pending = pending.split(b"\n")
        yield from (line for line in complete if line)
        if len(pending) > WATCH_LINE_BYTES_MAX:
            raise KubeGarbage("a watch event without an end")


def _event(line: bytes, path: str) -> tuple[str, Json]:
    event = _parse(line, path)
    kind, item = event.get("type"), event.get("object")
    if not isinstance(kind, str) or not isinstance(item, dict):
        raise KubeGarbage(f"{path}: an event without type and object")
    if kind == "ERROR":
        if item.get("code") == 410:
            raise WatchExpired(path)
        raise KubeUnavailable(f"{path}: {item.get('reason')}")
    return kind, item


def _parse(data: bytes, path: str) -> Json:
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise KubeGarbage(f"{path}: the answer is not JSON") from error
    if not isinstance(answer, dict):
        raise KubeGarbage(f"{path}: the answer is not an object")
    return answer


_BY_STATUS: Final[Mapping[int, type[KubeError]]] = {
    400: KubeInvalid,
    401: KubeForbidden,
    403: KubeForbidden,
    404: KubeNotFound,
    409: KubeConflict,
    410: WatchExpired,
    415: KubeInvalid,
    422: KubeInvalid,
}


def _refusal(status: int, data: bytes, path: str, headers: Mapping[str, str]) -> KubeError:
    try:
        message = str(json.loads(data).get("message", ""))[:500]
    except (ValueError, AttributeError):
        message = ""
    text = f"{path}: {status} {message}"
    if status == 429:
        return KubeThrottled(
            text, retry_after_s=int(headers.get("Retry-After", "1")) if headers.get("Retry-After", "1").isdigit() else 1
        )
    if status >= 500:
        return KubeUnavailable(text)
    return _BY_STATUS.get(status, KubeGarbage)(text)

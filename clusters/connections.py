"""Connections to clusters: sealed credentials in, a client out; a breaker so that a hung cluster is not asked by everybody."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import F

from clusters.kube.client import Endpoint, KubeClient
from clusters.models import ClusterConnection
from marketplace.kernel.crypto import Keyring, Sealed

FAILURES_BEFORE_OPEN: Final = 3
OPEN_FOR: Final = timedelta(seconds=10)
"""While the breaker is open nobody calls the cluster; one caller per period finds out whether it is back."""
CLIENTS_KEPT_MAX: Final = 64


def keyring() -> Keyring:
    """The installation's keys."""
    return Keyring.parse(settings.ENCRYPTION_KEYS)


def seal_credentials(*, endpoint: Endpoint, cluster_id: UUID) -> Sealed:
    """Encrypt token or client certificate; bound to the cluster's id, so that rows cannot be swapped."""
    secret = {
        "token": endpoint.token,
        "client_certificate_pem": endpoint.client_certificate_pem,
        "client_key_pem": endpoint.client_key_pem,
    }
    return keyring().seal(json.dumps(secret).encode(), associated=str(cluster_id))


def open_endpoint(connection: ClusterConnection) -> Endpoint:
    """The endpoint of a stored connection.

    Raises:
        Undecryptable: The row was tampered with or its key is gone.
    """
    sealed = Sealed(suite=connection.suite, key_id=connection.key_id, ciphertext=bytes(connection.ciphertext))
    secret: Mapping[str, str] = json.loads(keyring().open(sealed, associated=str(connection.cluster_id)))
    return Endpoint(
        server=connection.server, address=connection.address, ca_pem=connection.certificate_authority, **secret
    )


@lru_cache(maxsize=CLIENTS_KEPT_MAX)
def client_for(endpoint: Endpoint) -> KubeClient:
    """One client, with its open connections, per endpoint and process; a rotated credential makes another endpoint."""
    return KubeClient(endpoint)


def is_open(*, connection: ClusterConnection, now: datetime) -> bool:
    """Whether the breaker keeps callers away."""
    return connection.open_until is not None and connection.open_until > now


def record_failure(*, cluster_id: UUID, error: str, now: datetime) -> None:
    """Count a failure; after several in a row the breaker opens. Safe to repeat."""
    row = ClusterConnection.objects.filter(cluster_id=cluster_id)
    row.update(failures=F("failures") + 1, last_error=error[:500], updated_at=now)
    row.filter(failures__gte=FAILURES_BEFORE_OPEN).update(open_until=now + OPEN_FOR)


def record_success(*, cluster_id: UUID, now: datetime) -> None:
    """Close the breaker; writes only when something had failed."""
    ClusterConnection.objects.filter(cluster_id=cluster_id, failures__gt=0).update(
        failures=0, open_until=None, last_error="", updated_at=now
    )

"""Connections to clusters: sealed credentials in, a client out; a breaker so that a hung cluster is not asked by everybody."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a cluster is reached, as stored: with sealed credentials."""

    cluster_id: UUID
    server: str
    address: str
    certificate_authority: str
    suite: str
    key_id: str
    ciphertext: bytes


def client_for(connection: ClusterConnection) -> KubeClient:
    """The client of a stored connection; see `client_of`."""
    return client_of(
        Access(
            cluster_id=connection.cluster_id,
            server=connection.server,
            address=connection.address,
            certificate_authority=connection.certificate_authority,
            suite=connection.suite,
            key_id=connection.key_id,
            ciphertext=bytes(connection.ciphertext),
        )
    )


@lru_cache(maxsize=CLIENTS_KEPT_MAX)
def client_of(access: Access) -> KubeClient:
    """One client, with its open connections, per access and process; a rotated credential makes another one.

    Raises:
        Undecryptable: The row was tampered with or its key is gone.
    """
    sealed = Sealed(suite=access.suite, key_id=access.key_id, ciphertext=access.ciphertext)
    secret: Mapping[str, str] = json.loads(keyring().open(sealed, associated=str(access.cluster_id)))
    return KubeClient(
        Endpoint(server=access.server, address=access.address, ca_pem=access.certificate_authority, **secret)
    )


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

"""Claiming due workloads: one statement takes the rows, fences them with a token and reads what work on them needs.

Written as SQL because every instance passes here several times: built by the ORM the same two statements cost seven milliseconds
of processor time, more than the API server's work on the pod.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from clusters import connections
from clusters.desired import WorkloadSpec, typed
from clusters.kube.client import KubeClient
from clusters.models import Workload
from clusters.workloads import gang_name_of
from marketplace.instances.states import State

CLAIM: Final = timedelta(seconds=45)
"""Longer than the calls of one pass can take: 3 calls of at most 12 s each."""
CALLS: Final = timedelta(seconds=36)
"""What those calls take at most; a workload of a batch is begun only while its claim lasts so long."""

_CLAIM: Final = """
WITH due AS (
    SELECT w.id FROM clusters_workload w
    JOIN clusters_clusterconnection k ON k.cluster_id = w.cluster_id
    JOIN instances_allocation a ON a.id = w.allocation_id
    WHERE w.instance_id = ANY(%(instances)s::uuid[]) AND w.id <> ALL(%(without)s::uuid[]) AND w.gone_at IS NULL
        AND (w.claimed_until IS NULL OR w.claimed_until <= %(now)s) AND (k.open_until IS NULL OR k.open_until <= %(now)s)
    ORDER BY w.instance_id, a.rank, w.created_at LIMIT %(limit)s
    FOR NO KEY UPDATE OF w SKIP LOCKED
), claimed AS (
    UPDATE clusters_workload w SET claim_token = w.claim_token + 1, claimed_until = %(until)s FROM due WHERE w.id = due.id
    RETURNING w.id, w.claim_token, w.instance_id, w.cluster_id, w.allocation_id, w.namespace, w.pod_name, w.failures,
        w.applied_at, w.last_sighted_at
)
SELECT w.id, w.claim_token, w.instance_id, w.cluster_id, w.failures, w.applied_at, w.last_sighted_at,
    i.state, i.attempt, i.started_at, n.id,
    k.failures, k.server, k.address, k.certificate_authority, k.suite, k.key_id, k.ciphertext,
    i.tenant_id, i.project_id, a.attempt, w.namespace, w.pod_name, n.name, c.resource_name, a.devices, a.cpu_millis,
    a.memory_mib, o.storage_mib_per_device * a.devices, i.kind, i.image, i.command, i.environment::text, i.ssh_public_keys,
    c.taint_keys, i.max_duration_s, a.is_node_dedicated, a.rank, i.nodes
FROM claimed w
JOIN instances_instance i ON i.id = w.instance_id
JOIN instances_allocation a ON a.id = w.allocation_id
JOIN instances_instanceterm t ON t.id = a.term_id
JOIN inventory_offer o ON o.id = t.offer_id
JOIN inventory_nodestock s ON s.id = a.stock_id
JOIN inventory_node n ON n.id = s.node_id
JOIN inventory_accelerator c ON c.id = s.accelerator_id
JOIN clusters_clusterconnection k ON k.cluster_id = w.cluster_id
ORDER BY w.instance_id, a.rank
"""


@dataclass(slots=True, kw_only=True)
class Claimed:
    """A workload that this worker may work on until `until`.

    Attributes:
        token: Of this claim; a write under an older one changes 0 rows.
        instance_state, current_attempt, started_at: Of the instance, when the claim was taken; `refresh` reads them anew.
        cluster_failures: Calls in a row that the cluster did not answer.
    """

    workload_id: UUID
    token: int
    instance_id: UUID
    cluster_id: UUID
    failures: int
    applied_at: datetime | None
    last_sighted_at: datetime | None
    instance_state: State
    current_attempt: int
    started_at: datetime | None
    node_id: UUID
    cluster_failures: int
    until: datetime
    spec: WorkloadSpec
    access: connections.Access = field(repr=False)

    @property
    def client(self) -> KubeClient:
        """The cluster's client.

        Raises:
            Undecryptable: The stored credentials cannot be opened.
        """
        return connections.client_of(self.access)

    @property
    def is_current(self) -> bool:
        """Whether the instance is still in this workload's attempt."""
        return self.current_attempt == self.spec.attempt

    def refresh(self) -> None:
        """Read the instance's state again; requires an open transaction of a staff actor."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT state, attempt, started_at FROM instances_instance WHERE id = %s", [self.instance_id]
            )
            state, self.current_attempt, self.started_at = cursor.fetchone()
        self.instance_state = State(state)


def claim_due(
    *, instance_ids: Sequence[UUID], now: datetime, limit: int, without: Sequence[UUID] = ()
) -> list[Claimed]:
    """Claim workloads of these instances that nobody else has, of clusters whose breaker is closed, in order of rank.

    Requires an open transaction of a staff actor. Locks the rows until it ends; what another holds is passed over.

    Args:
        without: Workloads that were worked on already.
    """
    parameters: dict[str, Any] = {
        "instances": list(instance_ids),
        "without": list(without),
        "now": now,
        "until": now + CLAIM,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, parameters)
        rows = cursor.fetchall()
    return [_read(row, until=now + CLAIM) for row in rows]


def _read(row: Sequence[Any], *, until: datetime) -> Claimed:
    return Claimed(
        workload_id=row[0],
        token=row[1],
        instance_id=row[2],
        cluster_id=row[3],
        failures=row[4],
        applied_at=row[5],
        last_sighted_at=row[6],
        instance_state=State(row[7]),
        current_attempt=row[8],
        started_at=row[9],
        node_id=row[10],
        cluster_failures=row[11],
        until=until,
        spec=_spec(row[2], *row[18:]),
        access=connections.Access(
            cluster_id=row[3],
            server=row[12],
            address=row[13],
            certificate_authority=row[14],
            suite=row[15],
            key_id=row[16],
            ciphertext=bytes(row[17]),
        ),
    )


def _spec(instance_id: UUID, *row: Any) -> WorkloadSpec:
    nodes, attempt = row[20], row[2]
    return WorkloadSpec(
        installation_id=str(settings.INSTALLATION_ID),
        tenant_id=typed("ten", row[0]),
        project_id=typed("prj", row[1]),
        instance_id=typed("ins", instance_id),
        attempt=attempt,
        namespace=row[3],
        pod_name=row[4],
        node=row[5],
        resource_name=row[6],
        devices=row[7],
        cpu_millis=row[8],
        memory_mib=row[9],
        storage_mib=row[10],
        kind=row[11],
        image=row[12],
        command=row[13],
        environment=json.loads(row[14]),
        ssh_public_keys=row[15],
        taint_keys=row[16],
        max_duration_s=row[17],
        is_node_dedicated=row[18],
        gang=gang_name_of(instance_id=instance_id, attempt=attempt) if nodes > 1 else "",
        rank=row[19],
        nodes=nodes,
    )


_APPLIED: Final = """
UPDATE clusters_workload w SET applied_at = %(now)s, pod_uid = done.uid, due_at = %(due)s, claimed_until = NULL, failures = 0,
    last_error = ''
FROM unnest(%(ids)s::uuid[], %(tokens)s::bigint[], %(uids)s::varchar[]) AS done (id, token, uid)
WHERE w.id = done.id AND w.claim_token = done.token
"""


def record_applied(*, made: Sequence[tuple[Claimed, str]], now: datetime, due_at: datetime) -> None:
    """The API server accepted these pods, each with its UID: the claims are over. A claim that lapsed meanwhile changes nothing.

    Requires an open transaction of a staff actor.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _APPLIED,
            {
                "now": now,
                "due": due_at,
                "ids": [claimed.workload_id for claimed, _uid in made],
                "tokens": [claimed.token for claimed, _uid in made],
                "uids": [uid for _claimed, uid in made],
            },
        )


def update_claimed(claimed: Claimed, **fields: object) -> None:
    """Change the row, as long as nobody else has claimed it since. Requires an open transaction of a staff actor."""
    Workload.objects.filter(id=claimed.workload_id, claim_token=claimed.token).update(**fields)

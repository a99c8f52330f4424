"""A start is told by whoever sees it: the watcher records it at once, so that no worker has to be sent to look at the same news."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from clusters.desired import LABEL_ATTEMPT
from clusters.observations import PodFacts, usage_start
from clusters.sightings import read_facts
from marketplace.instances.operations import record_started
from marketplace.instances.states import State

Json = dict[str, Any]

_OWNER: Final = """
SELECT i.state, a.attempt FROM clusters_workload w
JOIN instances_instance i ON i.id = w.instance_id JOIN instances_allocation a ON a.id = w.allocation_id
WHERE w.cluster_id = %s AND w.namespace = %s AND w.pod_name = %s AND w.instance_id = %s AND w.gone_at IS NULL
    AND a.attempt = i.attempt AND i.nodes = 1
"""


def record_start_seen(*, cluster_id: UUID, instance_id: UUID, pod: Json, now: datetime) -> bool:
    """Record that a pod of ours runs, by everything that was seen of it; True when nobody has to look at this news any more.

    Only what is plain: a single pod of the attempt under way, that runs and that nobody ends. Everything else, gangs among it, is
    the reconciler's, which would come to the same. Safe to repeat. The sighting has been recorded in the open transaction, a
    staff actor's. Locks the instance.
    """
    facts = read_facts(cluster_id=cluster_id, pod_name=pod["metadata"]["name"]).get(pod["metadata"]["uid"])
    if facts is None or not _runs_on(facts):
        return False
    metadata = pod["metadata"]
    with connection.cursor() as cursor:
        cursor.execute(_OWNER, [cluster_id, metadata["namespace"], metadata["name"], instance_id])
        row = cursor.fetchone()
    if row is None or metadata["labels"].get(LABEL_ATTEMPT) != str(row[1]):
        return False
    if row[0] == State.RUNNING:
        return True
    started_at = usage_start(facts=facts, observed_at=facts.first_running_seen_at or now)
    if row[0] != State.PROVISIONING or started_at is None or facts.started_at is None:
        return False
    return record_started(
        instance_id=instance_id, attempt=row[1], started_at=started_at, reported_at=facts.started_at, now=now
    )


def _runs_on(facts: PodFacts) -> bool:
    is_ending = facts.is_terminal or facts.deletion_asked_at is not None or facts.gone_at is not None
    return facts.started_at is not None and not is_ending

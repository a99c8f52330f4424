"""Reconcile one workload: claim, load, observe, plan, act, record.

No transaction is open while the cluster is asked. Everything is recorded under the token of the claim: a worker that slept
past its claim changes 0 rows. Each pass takes as many steps as it can; what has to move by itself is looked at again when the
watcher sees it, or at the next resync.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import Q, QuerySet

from clusters import connections
from clusters.desired import (
    GRACE_S,
    LABEL_ATTEMPT,
    LABEL_INSTALLATION,
    LABEL_INSTANCE,
    WorkloadSpec,
    build_gang,
    build_namespace,
    build_namespaced,
    build_pod,
    typed,
)
from clusters.endings import explain_ending
from clusters.kube.client import KubeClient
from clusters.kube.errors import KubeConflict, KubeError, KubeForbidden, KubeInvalid, KubeNotFound
from clusters.models import Workload
from clusters.observations import PodFacts, Sighting, merge, read_pod, usage_end, usage_start
from clusters.plan import Observed, Step, Wanted, plan
from clusters.sightings import read_facts, record_sightings, sight
from clusters.workloads import gang_name_of
from marketplace.instances.models import RankRun
from marketplace.instances.operations import begin_stopping, record_gone, record_rank_ended, record_started
from marketplace.instances.states import Reason, State
from marketplace.inventory.stock import record_failed_start
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor

log = structlog.get_logger(__name__)

ACTOR: Final = system_actor("reconciler")
CLAIM: Final = timedelta(seconds=45)
"""Longer than the calls of one pass can take: 3 calls of at most 12 s each."""
RESYNC: Final = timedelta(seconds=30)
"""Without any news a live workload is compared this often; a pod that vanished unseen is noticed within it."""
STEPS_PER_PASS_MAX: Final = 5
WORKLOADS_PER_SWEEP_MAX: Final = 200
RANKS_PER_CALL_MAX: Final = 64
"""The most nodes that a gang has."""
IMAGE_AFTER: Final = timedelta(minutes=5)
"""An image that cannot be pulled for so long ends the attempt; registries do come back within minutes."""
BACKOFF_MAX: Final = timedelta(seconds=60)

_known_namespaces: set[tuple[UUID, str]] = set()
"""Namespaces this process has made; forgotten when an apply says that one is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A workload that this worker may work on until `claimed_until`."""

    workload: Workload
    token: int
    spec: WorkloadSpec
    client: KubeClient


def list_due(*, now: datetime) -> list[UUID]:
    """Instances whose workloads somebody should look at now, oldest first; those behind an open breaker wait."""
    due = Q(due_at__lte=now) | Q(instance__state=State.STOPPING)
    rows = (
        Workload.objects.filter(due, gone_at__isnull=True)
        .filter(Q(claimed_until__isnull=True) | Q(claimed_until__lte=now))
        .filter(Q(cluster__connection__open_until__isnull=True) | Q(cluster__connection__open_until__lte=now))
        .order_by("due_at")
        .values_list("instance_id", flat=True)[:WORKLOADS_PER_SWEEP_MAX]
    )
    return list(dict.fromkeys(rows))


def reconcile_instance(*, instance_id: UUID, read_clock: Callable[[], datetime] = clock.now) -> list[Step]:
    """Bring the instance's live workloads, one per rank, closer to what is wanted; the steps taken, for tests and logs.

    Safe to repeat and to run at once in several workers: each workload has one claim, and what another has is passed over.
    """
    steps: list[Step] = []
    seen: list[UUID] = []
    while len(seen) < RANKS_PER_CALL_MAX:
        claimed = _claim(instance_id=instance_id, without=seen, now=read_clock())
        if claimed is None:
            break
        seen.append(claimed.workload.id)
        steps.extend(_work(claimed, read_clock))
        if claimed.spec.nodes == 1:
            break
    return steps


def _work(claimed: Claimed, read_clock: Callable[[], datetime]) -> list[Step]:
    """Take as many steps as one claimed workload can now."""
    steps: list[Step] = []
    try:
        if _is_untouched(claimed) and _apply(claimed, now=read_clock(), is_first=True):
            steps.append(Step.APPLY)
        while not steps or (len(steps) < STEPS_PER_PASS_MAX and steps[-1] not in _LAST_STEPS):
            steps.append(_pass(claimed, now=read_clock()))
    except KubeError as error:
        _put_off(claimed, error, now=read_clock())
    else:
        if claimed.workload.cluster.connection.failures:
            with as_actor(ACTOR):
                connections.record_success(cluster_id=claimed.workload.cluster_id, now=read_clock())
    return steps


_LAST_STEPS: Final = frozenset({Step.WAIT, Step.APPLY, Step.DELETE, Step.REPORT_GONE, Step.REPORT_FOREIGN})
"""After these the cluster has to move first."""


def _is_untouched(claimed: Claimed) -> bool:
    """Whether nobody can have asked the cluster for this pod yet: this is the workload's first claim, and it is wanted.

    Then looking first would only tell that there is nothing; a foreign pod under the name answers the creation with a conflict.
    """
    workload = claimed.workload
    return (
        claimed.token == 1
        and workload.applied_at is None
        and workload.instance.state == State.PROVISIONING
        and workload.instance.attempt == claimed.spec.attempt
    )


def _claim(*, instance_id: UUID, without: Sequence[UUID], now: datetime) -> Claimed | None:
    with as_actor(ACTOR):
        workload = (
            Workload.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
            .select_related(
                "cluster__connection",
                "instance",
                "allocation__stock__node",
                "allocation__stock__accelerator",
                "allocation__term__offer",
            )
            .filter(
                Q(claimed_until__isnull=True) | Q(claimed_until__lte=now), instance_id=instance_id, gone_at__isnull=True
            )
            .exclude(id__in=without)
            .order_by("allocation__rank", "created_at")
            .first()
        )
        if workload is None or connections.is_open(connection=workload.cluster.connection, now=now):
            return None
        token = workload.claim_token + 1
        Workload.objects.filter(id=workload.id).update(claim_token=token, claimed_until=now + CLAIM)
    client = connections.client_for(connections.open_endpoint(workload.cluster.connection))
    return Claimed(workload=workload, token=token, spec=_spec(workload), client=client)


def _spec(workload: Workload) -> WorkloadSpec:
    allocation, instance = workload.allocation, workload.instance
    return WorkloadSpec(
        installation_id=str(settings.INSTALLATION_ID),
        tenant_id=typed("ten", instance.tenant_id),
        project_id=typed("prj", instance.project_id),
        instance_id=typed("ins", instance.id),
        attempt=allocation.attempt,
        namespace=workload.namespace,
        pod_name=workload.pod_name,
        node=allocation.stock.node.name,
        resource_name=allocation.stock.accelerator.resource_name,
        devices=allocation.devices,
        cpu_millis=allocation.cpu_millis,
        memory_mib=allocation.memory_mib,
        storage_mib=allocation.term.offer.storage_mib_per_device * allocation.devices,
        kind=instance.kind,
        image=instance.image,
        command=instance.command,
        environment=instance.environment,
        ssh_public_keys=instance.ssh_public_keys,
        taint_keys=allocation.stock.accelerator.taint_keys,
        max_duration_s=instance.max_duration_s,
        is_node_dedicated=allocation.is_node_dedicated,
        gang=gang_name_of(instance_id=instance.id, attempt=allocation.attempt) if instance.nodes > 1 else "",
        rank=allocation.rank,
        nodes=instance.nodes,
    )


def _pass(claimed: Claimed, *, now: datetime) -> Step:
    """Observe once and take one step."""
    workload = claimed.workload
    observed, sighting = _observe(claimed)
    with as_actor(ACTOR):
        if sighting is not None:
            record_sightings(cluster_id=workload.cluster_id, sightings=[(workload.instance_id, sighting)])
        workload.instance.refresh_from_db()
        known = read_facts(cluster_id=workload.cluster_id, pod_name=workload.pod_name)
        rank_run = _read_rank_run(claimed) if claimed.spec.nodes > 1 else None
    if sighting is not None and observed.pod is not None:
        observed = Observed(pod=merge(known.get(observed.pod.uid, observed.pod), observed.pod))
    state = workload.instance.state
    is_current = workload.instance.attempt == claimed.spec.attempt
    wanted = Wanted(
        is_wanted=is_current and state in (State.PROVISIONING, State.RUNNING),
        is_running=state == State.RUNNING or rank_run is not None,
        has_ended=rank_run is not None and rank_run.ended_at is not None,
        was_applied=workload.applied_at is not None or bool(known),
    )
    step = plan(
        wanted=wanted,
        observed=observed,
        unschedulable_after=settings.UNSCHEDULABLE_AFTER,
        image_after=IMAGE_AFTER,
        now=now,
    )
    _take(claimed, step, observed, known, now=now)
    return step


def _read_rank_run(claimed: Claimed) -> RankRun | None:
    return RankRun.objects.filter(
        instance_id=claimed.workload.instance_id, attempt=claimed.spec.attempt, rank=claimed.spec.rank
    ).first()


def _observe(claimed: Claimed) -> tuple[Observed, Sighting | None]:
    spec = claimed.spec
    try:
        pod = claimed.client.get(_pod_path(spec))
    except KubeNotFound:
        return Observed(pod=None), None
    sighting = sight(pod=pod, at=clock.now())
    labels = pod.get("metadata", {}).get("labels") or {}
    ours = {
        LABEL_INSTALLATION: spec.installation_id,
        LABEL_INSTANCE: spec.instance_id,
        LABEL_ATTEMPT: str(spec.attempt),
    }
    if any(labels.get(key) != value for key, value in ours.items()):
        return Observed(pod=None, is_foreign=True), None
    return Observed(pod=read_pod(sighting)), sighting


def _take(claimed: Claimed, step: Step, observed: Observed, known: dict[str, PodFacts], *, now: datetime) -> None:
    """Do one step and record it."""
    match step:
        case Step.APPLY:
            _apply(claimed, now=now)
        case Step.DELETE if observed.pod is not None:
            try:
                claimed.client.delete(_pod_path(claimed.spec), uid=observed.pod.uid, grace_s=GRACE_S)
            except (KubeNotFound, KubeConflict):
                log.info("delete_was_late", pod=claimed.spec.pod_name)
            _release(claimed, due_at=now + timedelta(seconds=2))
        case Step.REPORT_GONE:
            _report_gone(claimed, now=now)
        case Step.WAIT:
            _release(claimed, due_at=now + RESYNC, sighted_at=now if observed.pod is not None else None)
        case Step.REPORT_FOREIGN:
            _release(claimed, due_at=now + RESYNC, error="a foreign pod stands under our name; it is left alone")
            log.error("foreign_pod", pod=claimed.spec.pod_name, namespace=claimed.spec.namespace)
        case _:
            _report(claimed, step, observed.pod or _newest(known), now=now)


def _newest(known: dict[str, PodFacts]) -> PodFacts | None:
    return max(
        known.values(), key=lambda facts: (facts.created_at is not None, facts.created_at or clock.now()), default=None
    )


def _apply(claimed: Claimed, *, now: datetime, is_first: bool = False) -> bool:
    """Make the namespace once, then the pod; a specification that the cluster refuses ends the attempt.

    Args:
        is_first: Nobody has asked for the pod before, so it is created.

    Returns:
        False when something stands under the name already: look at it.
    """
    key = (claimed.workload.cluster_id, claimed.spec.namespace)
    try:
        pod = _send(claimed, is_first=is_first)
    except KubeNotFound:
        _known_namespaces.discard(key)
        raise
    except (KubeInvalid, KubeForbidden) as error:
        _known_namespaces.discard(key)
        _refuse(claimed, error, now=now)
        return True
    if pod is None:
        return False
    with as_actor(ACTOR):
        _mine(claimed).update(
            applied_at=now,
            pod_uid=pod["metadata"]["uid"],
            due_at=now + RESYNC,
            claimed_until=None,
            failures=0,
            last_error="",
        )
    return True


def _send(claimed: Claimed, *, is_first: bool) -> dict[str, Any] | None:
    """Ask for everything that the workload needs; the pod, or None when a first one's name is taken."""
    spec, client = claimed.spec, claimed.client
    key = (claimed.workload.cluster_id, spec.namespace)
    if key not in _known_namespaces:
        client.apply(f"/api/v1/namespaces/{spec.namespace}", build_namespace(spec))
        for path, body in build_namespaced(spec):
            client.apply(path, body)
        _known_namespaces.add(key)
    if is_first:
        try:
            pod = client.create(f"/api/v1/namespaces/{spec.namespace}/pods", build_pod(spec))
        except KubeConflict:
            return None
    else:
        pod = client.apply(_pod_path(spec), build_pod(spec))
    if spec.gang and spec.rank == 0:
        for path, body in build_gang(spec, owner_uid=pod["metadata"]["uid"]):
            client.apply(path, body)
    return pod


def _refuse(claimed: Claimed, error: KubeError, *, now: datetime) -> None:
    with as_actor(ACTOR):
        begin_stopping(
            instance_id=claimed.workload.instance_id,
            attempt=claimed.spec.attempt,
            reason=Reason.INVALID_SPECIFICATION,
            occurred_at=clock.floor_to_second(now),
            now=now,
            detail=str(error),
        )
    _release(claimed, due_at=now, error=str(error))


def _report(claimed: Claimed, step: Step, facts: PodFacts | None, *, now: datetime) -> None:
    """Tell the instance what its pod did."""
    workload, attempt = claimed.workload, claimed.spec.attempt
    if step is Step.REPORT_STARTED and facts is not None:
        started = usage_start(facts=facts, observed_at=facts.first_running_seen_at or now)
        if started is not None and facts.started_at is not None:
            with as_actor(ACTOR):
                record_started(
                    instance_id=workload.instance_id,
                    attempt=attempt,
                    started_at=started,
                    reported_at=facts.started_at,
                    rank=claimed.spec.rank,
                    now=now,
                )
        return
    reason, detail = explain_ending(step=step, facts=facts)
    end = clock.floor_to_second(now)
    if facts is not None:
        end = usage_end(facts=facts, observed_at=now, last_sighted_at=workload.last_sighted_at)
    if reason is Reason.COMPLETED and claimed.spec.nodes > 1:
        with as_actor(ACTOR):
            record_rank_ended(
                instance_id=workload.instance_id,
                attempt=attempt,
                rank=claimed.spec.rank,
                ended_at=end,
                reported_at=facts.finished_at if facts else None,
                now=now,
            )
        return
    started_at = workload.instance.started_at
    if workload.instance.state == State.RUNNING and started_at is not None:
        end = max(end, started_at)
    with as_actor(ACTOR):
        is_news = begin_stopping(
            instance_id=workload.instance_id,
            attempt=attempt,
            reason=reason,
            occurred_at=end,
            reported_at=(facts.finished_at or facts.deletion_asked_at or facts.gone_at) if facts else None,
            detail=detail,
            now=now,
        )
        if is_news and reason is Reason.START_FAILED:
            record_failed_start(node_id=workload.allocation.stock.node_id, message=detail, now=now)


def _report_gone(claimed: Claimed, *, now: datetime) -> None:
    with as_actor(ACTOR):
        record_gone(
            instance_id=claimed.workload.instance_id, attempt=claimed.spec.attempt, rank=claimed.spec.rank, now=now
        )
        _mine(claimed).update(gone_at=now, due_at=None, claimed_until=None, failures=0, last_error="")


def _mine(claimed: Claimed) -> QuerySet[Workload]:
    """The row, as long as nobody else has claimed it since."""
    return Workload.objects.filter(id=claimed.workload.id, claim_token=claimed.token)


def _release(claimed: Claimed, *, due_at: datetime, sighted_at: datetime | None = None, error: str = "") -> None:
    fields: dict[str, object] = {"due_at": due_at, "claimed_until": None, "failures": 0, "last_error": error[:500]}
    if sighted_at is not None:
        fields["last_sighted_at"] = sighted_at
    with as_actor(ACTOR):
        _mine(claimed).update(**fields)


def _put_off(claimed: Claimed, error: KubeError, *, now: datetime) -> None:
    """Look again later; final errors as well, since a person may mend the cluster."""
    failures = claimed.workload.failures + 1
    wait = min(BACKOFF_MAX, timedelta(seconds=2 ** min(failures, 6)))
    log.warning("reconcile_failed", pod=claimed.spec.pod_name, error=str(error), retryable=error.is_retryable)
    with as_actor(ACTOR):
        _mine(claimed).update(due_at=now + wait, claimed_until=None, failures=failures, last_error=str(error)[:500])
        if error.is_retryable:
            connections.record_failure(cluster_id=claimed.workload.cluster_id, error=str(error), now=now)


def _pod_path(spec: WorkloadSpec) -> str:
    return f"/api/v1/namespaces/{spec.namespace}/pods/{spec.pod_name}"

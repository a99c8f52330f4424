"""Reconcile one workload: claim, load, observe, plan, act, record.

No transaction is open while the cluster is asked. Everything is recorded under the token of the claim: a worker that slept
past its claim changes 0 rows. Each pass takes as many steps as it can; what has to move by itself is looked at again when the
watcher sees it, or at the next resync.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import Q

from clusters import connections
from clusters.claims import CALLS, Claimed, claim_due, record_applied, update_claimed
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
)
from clusters.endings import explain_ending
from clusters.kube.errors import KubeConflict, KubeError, KubeForbidden, KubeInvalid, KubeNotFound
from clusters.models import Workload
from clusters.observations import PodFacts, Sighting, merge, read_pod, usage_end, usage_start
from clusters.plan import Observed, Step, Wanted, plan
from clusters.sightings import read_facts, record_sightings, sight
from marketplace.instances.models import RankRun
from marketplace.instances.operations import begin_stopping, record_gone, record_rank_ended, record_started
from marketplace.instances.states import Reason, State
from marketplace.inventory.stock import record_failed_start
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor

log = structlog.get_logger(__name__)

ACTOR: Final = system_actor("reconciler")
RESYNC: Final = timedelta(seconds=30)
"""Without any news a live workload is compared this often; a pod that vanished unseen is noticed within it."""
STEPS_PER_PASS_MAX: Final = 5
WORKLOADS_PER_SWEEP_MAX: Final = 200
WORKLOADS_PER_CLAIM_MAX: Final = 10
"""Claimed at once: at ~10 ms a pod they are made in 0.1 s; what a slow cluster leaves over is given back."""
WORKLOADS_PER_CALL_MAX: Final = 64
"""The most nodes that a gang has."""
PUT_BACK: Final = timedelta(seconds=2)
IMAGE_AFTER: Final = timedelta(minutes=5)
"""An image that cannot be pulled for so long ends the attempt; registries do come back within minutes."""
BACKOFF_MAX: Final = timedelta(seconds=60)

_known_namespaces: set[tuple[UUID, str]] = set()
"""Namespaces this process has made; forgotten when an apply says that one is gone."""


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


def reconcile_instances(*, instance_ids: Sequence[UUID], read_clock: Callable[[], datetime] = clock.now) -> list[Step]:
    """Bring the instances' live workloads, one per rank, closer to what is wanted; the steps taken, for tests and logs.

    Safe to repeat and to run at once in several workers: each workload has one claim, and what another has is passed over.
    Pods that nobody can have asked for yet are made first, and recorded together.
    """
    steps: list[Step] = []
    seen: list[UUID] = []
    while len(seen) < WORKLOADS_PER_CALL_MAX:
        with as_actor(ACTOR):
            batch = claim_due(instance_ids=instance_ids, now=read_clock(), limit=WORKLOADS_PER_CLAIM_MAX, without=seen)
        if not batch:
            break
        seen.extend(claimed.workload_id for claimed in batch)
        steps.extend(_work_batch(batch, read_clock))
        if len(batch) < WORKLOADS_PER_CLAIM_MAX:
            break
    return steps


def _work_batch(batch: Sequence[Claimed], read_clock: Callable[[], datetime]) -> list[Step]:
    """Work on each; what cannot be begun within its claim, or stands in a cluster that just did not answer, is given back."""
    steps: list[Step] = []
    silent: set[UUID] = set()
    made: list[tuple[Claimed, str]] = []
    poison: Exception | None = None
    for claimed in batch:
        if claimed.cluster_id in silent or read_clock() > claimed.until - CALLS:
            _release(claimed, due_at=read_clock() + PUT_BACK)
            continue
        try:
            steps.extend(_work(claimed, made, read_clock))
        except KubeError as error:
            _put_off(claimed, error, now=read_clock())
            if error.is_retryable:
                silent.add(claimed.cluster_id)
        except Exception as error:  # noqa: BLE001 - raised below: one poisoned workload must not keep the others waiting
            poison = error
    if made:
        _record_made(made, now=read_clock())
    if poison is not None:
        raise poison
    return steps


def _work(claimed: Claimed, made: list[tuple[Claimed, str]], read_clock: Callable[[], datetime]) -> list[Step]:
    """As many steps as one claimed workload can take now; a pod that is new goes to `made`, still to be recorded."""
    steps: list[Step] = []
    try:
        pod = _make(claimed, is_first=True) if _is_untouched(claimed) else None
        if pod is not None:
            made.append((claimed, pod["metadata"]["uid"]))
            steps.append(Step.APPLY)
        while not steps or (len(steps) < STEPS_PER_PASS_MAX and steps[-1] not in _LAST_STEPS):
            steps.append(_pass(claimed, now=read_clock()))
    except _SpecificationRefused as refusal:
        _refuse(claimed, refusal, now=read_clock())
        steps.append(Step.APPLY)
    if claimed.cluster_failures:
        with as_actor(ACTOR):
            connections.record_success(cluster_id=claimed.cluster_id, now=read_clock())
    return steps


_LAST_STEPS: Final = frozenset({Step.WAIT, Step.APPLY, Step.DELETE, Step.REPORT_GONE, Step.REPORT_FOREIGN})
"""After these the cluster has to move first."""


def _is_untouched(claimed: Claimed) -> bool:
    """Whether nobody can have asked the cluster for this pod yet: this is the workload's first claim, and it is wanted.

    Then looking first would only tell that there is nothing; a foreign pod under the name answers the creation with a conflict.
    """
    return (
        claimed.token == 1
        and claimed.applied_at is None
        and claimed.instance_state is State.PROVISIONING
        and claimed.is_current
    )


def _pass(claimed: Claimed, *, now: datetime) -> Step:
    """Observe once and take one step."""
    observed, sighting = _observe(claimed)
    with as_actor(ACTOR):
        if sighting is not None:
            record_sightings(cluster_id=claimed.cluster_id, sightings=[(claimed.instance_id, sighting)])
        claimed.refresh()
        known = read_facts(cluster_id=claimed.cluster_id, pod_name=claimed.spec.pod_name)
        rank_run = _read_rank_run(claimed) if claimed.spec.nodes > 1 else None
    if sighting is not None and observed.pod is not None:
        observed = Observed(pod=merge(known.get(observed.pod.uid, observed.pod), observed.pod))
    wanted = Wanted(
        is_wanted=claimed.is_current and claimed.instance_state in (State.PROVISIONING, State.RUNNING),
        is_running=claimed.instance_state is State.RUNNING or rank_run is not None,
        has_ended=rank_run is not None and rank_run.ended_at is not None,
        was_applied=claimed.applied_at is not None or bool(known),
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
        instance_id=claimed.instance_id, attempt=claimed.spec.attempt, rank=claimed.spec.rank
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
            pod = _make(claimed)
            if pod is not None:
                _record_made([(claimed, pod["metadata"]["uid"])], now=now)
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


class _SpecificationRefused(Exception):
    """The cluster will not have the pod as it is; that ends the attempt."""


def _make(claimed: Claimed, *, is_first: bool = False) -> dict[str, Any] | None:
    """Make the namespace once, then the pod; the pod, or None when something stands under the name of a first one.

    Args:
        is_first: Nobody has asked for the pod before, so it is created.

    Raises:
        _SpecificationRefused: Asking again would be refused again.
    """
    key = (claimed.cluster_id, claimed.spec.namespace)
    try:
        return _send(claimed, is_first=is_first)
    except KubeNotFound:
        _known_namespaces.discard(key)
        raise
    except (KubeInvalid, KubeForbidden) as error:
        _known_namespaces.discard(key)
        raise _SpecificationRefused(str(error)) from error


def _send(claimed: Claimed, *, is_first: bool) -> dict[str, Any] | None:
    """Ask for everything that the workload needs; the pod, or None when a first one's name is taken."""
    spec, client = claimed.spec, claimed.client
    key = (claimed.cluster_id, spec.namespace)
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


def _record_made(made: Sequence[tuple[Claimed, str]], *, now: datetime) -> None:
    with as_actor(ACTOR):
        record_applied(made=made, now=now, due_at=now + RESYNC)


def _refuse(claimed: Claimed, refusal: _SpecificationRefused, *, now: datetime) -> None:
    with as_actor(ACTOR):
        begin_stopping(
            instance_id=claimed.instance_id,
            attempt=claimed.spec.attempt,
            reason=Reason.INVALID_SPECIFICATION,
            occurred_at=clock.floor_to_second(now),
            now=now,
            detail=str(refusal),
        )
    _release(claimed, due_at=now, error=str(refusal))


def _report(claimed: Claimed, step: Step, facts: PodFacts | None, *, now: datetime) -> None:
    """Tell the instance what its pod did."""
    attempt = claimed.spec.attempt
    if step is Step.REPORT_STARTED and facts is not None:
        started = usage_start(facts=facts, observed_at=facts.first_running_seen_at or now)
        if started is not None and facts.started_at is not None:
            with as_actor(ACTOR):
                record_started(
                    instance_id=claimed.instance_id,
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
        end = usage_end(facts=facts, observed_at=now, last_sighted_at=claimed.last_sighted_at)
    if reason is Reason.COMPLETED and claimed.spec.nodes > 1:
        with as_actor(ACTOR):
            record_rank_ended(
                instance_id=claimed.instance_id,
                attempt=attempt,
                rank=claimed.spec.rank,
                ended_at=end,
                reported_at=facts.finished_at if facts else None,
                now=now,
            )
        return
    if claimed.instance_state is State.RUNNING and claimed.started_at is not None:
        end = max(end, claimed.started_at)
    with as_actor(ACTOR):
        is_news = begin_stopping(
            instance_id=claimed.instance_id,
            attempt=attempt,
            reason=reason,
            occurred_at=end,
            reported_at=(facts.finished_at or facts.deletion_asked_at or facts.gone_at) if facts else None,
            detail=detail,
            now=now,
        )
        if is_news and reason is Reason.START_FAILED:
            record_failed_start(node_id=claimed.node_id, message=detail, now=now)


def _report_gone(claimed: Claimed, *, now: datetime) -> None:
    with as_actor(ACTOR):
        record_gone(instance_id=claimed.instance_id, attempt=claimed.spec.attempt, rank=claimed.spec.rank, now=now)
        update_claimed(claimed, gone_at=now, due_at=None, claimed_until=None, failures=0, last_error="")


def _release(claimed: Claimed, *, due_at: datetime, sighted_at: datetime | None = None, error: str = "") -> None:
    fields: dict[str, object] = {"due_at": due_at, "claimed_until": None, "failures": 0, "last_error": error[:500]}
    if sighted_at is not None:
        fields["last_sighted_at"] = sighted_at
    with as_actor(ACTOR):
        update_claimed(claimed, **fields)


def _put_off(claimed: Claimed, error: KubeError, *, now: datetime) -> None:
    """Look again later; final errors as well, since a person may mend the cluster."""
    failures = claimed.failures + 1
    wait = min(BACKOFF_MAX, timedelta(seconds=2 ** min(failures, 6)))
    log.warning("reconcile_failed", pod=claimed.spec.pod_name, error=str(error), retryable=error.is_retryable)
    with as_actor(ACTOR):
        update_claimed(claimed, due_at=now + wait, claimed_until=None, failures=failures, last_error=str(error)[:500])
        if error.is_retryable:
            connections.record_failure(cluster_id=claimed.cluster_id, error=str(error), now=now)


def _pod_path(spec: WorkloadSpec) -> str:
    return f"/api/v1/namespaces/{spec.namespace}/pods/{spec.pod_name}"

"""What a cluster showed of our pods, folded into facts. Pure: the order, repetition and loss of sightings do not matter.

And the metering rule's bounds (architecture.md, step 5): start when the main container first ran, end at the earliest of accepted
stop, its own end, deletion, or the last sighting; clamped to [pod creation, our observation], floored to the second.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from clusters.desired import MAIN_CONTAINER
from clusters.kube.errors import KubeGarbage
from marketplace.kernel import clock

Json = dict[str, Any]

START_FAILURES: Final = frozenset({"StartError", "ContainerCannotRun"})
PHASE_ORDER: Final = ("", "Pending", "Running", "Succeeded", "Failed")
"""From least to furthest: `Unknown` says nothing and is not in the order."""
IMAGE_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
START_REASONS: Final = frozenset({"CreateContainerError", "CreatePodSandboxError"})
"""The node could not make the container; a wrong command shows later and under other names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One version of one pod as sent by the API server, and when we saw it; `is_deletion` when its removal was observed."""

    pod: Json
    observed_at: datetime
    is_deletion: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """Everything known of one pod UID.

    Attributes:
        phase: The furthest phase seen.
        started_at: The main container's first `startedAt`.
        last_started_at: Its newest one; another than the first after a restart within the pod.
        finished_at: Its `finishedAt` once the pod is terminal.
        deletion_asked_at: `deletionTimestamp` minus the grace period: when somebody asked.
        last_seen_at: Our newest sighting of it alive.
        gone_at: When we observed its removal.
        failure: Reason of a failure as the cluster names it: OOMKilled, Evicted, ErrImagePull, Error …
    """

    uid: str
    name: str = ""
    node: str = ""
    phase: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    last_started_at: datetime | None = None
    first_running_seen_at: datetime | None = None
    finished_at: datetime | None = None
    deletion_asked_at: datetime | None = None
    last_seen_at: datetime | None = None
    gone_at: datetime | None = None
    restarts: int = 0
    failure: str = ""
    unschedulable: str = ""
    unschedulable_since: datetime | None = None
    is_bound: bool = False

    @property
    def is_terminal(self) -> bool:
        """Whether it will never run again."""
        return self.phase in ("Succeeded", "Failed")


def fold(sightings: Iterable[Sighting]) -> Mapping[str, PodFacts]:
    """Facts by pod UID; any order and any repetition gives the same."""
    facts: dict[str, PodFacts] = {}
    for sighting in sightings:
        found = read_pod(sighting)
        facts[found.uid] = merge(facts[found.uid], found) if found.uid in facts else found
    return facts


def merge(left: PodFacts, right: PodFacts) -> PodFacts:
    """Combine two states of knowledge of one pod; commutative, associative, idempotent."""
    newer, older = (left, right) if _recency(left) >= _recency(right) else (right, left)
    return replace(
        newer,
        name=newer.name or older.name,
        node=newer.node or older.node,
        phase=max(left.phase, right.phase, key=PHASE_ORDER.index),
        created_at=_earliest(left.created_at, right.created_at),
        started_at=_earliest(left.started_at, right.started_at),
        last_started_at=_latest(left.last_started_at, right.last_started_at),
        first_running_seen_at=_earliest(left.first_running_seen_at, right.first_running_seen_at),
        finished_at=_earliest(left.finished_at, right.finished_at),
        deletion_asked_at=_earliest(left.deletion_asked_at, right.deletion_asked_at),
        last_seen_at=_latest(left.last_seen_at, right.last_seen_at),
        gone_at=_earliest(left.gone_at, right.gone_at),
        restarts=max(left.restarts, right.restarts),
        failure=newer.failure or older.failure,
        is_bound=left.is_bound or right.is_bound,
        unschedulable_since=_earliest(left.unschedulable_since, right.unschedulable_since),
    )


def _recency(facts: PodFacts) -> tuple[datetime, str, str, str]:
    """A total order, so that ties do not depend on which side came first."""
    newest = max(filter(None, (facts.last_seen_at, facts.gone_at)))
    return newest, facts.phase, facts.failure, facts.unschedulable


def _earliest(left: datetime | None, right: datetime | None) -> datetime | None:
    return min(filter(None, (left, right)), default=None)


def _latest(left: datetime | None, right: datetime | None) -> datetime | None:
    return max(filter(None, (left, right)), default=None)


def read_pod(sighting: Sighting) -> PodFacts:
    """Facts from one sighting.

    Raises:
        KubeGarbage: Not a pod object.
    """
    try:
        return _read(sighting)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KubeGarbage(f"not a pod: {error}") from error


def _read(sighting: Sighting) -> PodFacts:
    pod, at = sighting.pod, sighting.observed_at
    metadata, status = pod["metadata"], pod.get("status", {})
    phase = status.get("phase", "")
    main = _main_status(status)
    state = main.get("state", {})
    terminated = state.get("terminated") or {}
    is_terminal = phase in ("Succeeded", "Failed")
    # A container that restarts within the pod keeps its first start: restarts are metered.
    starts = _starts(main)
    unschedulable, since = _unschedulable(status)
    return PodFacts(
        uid=metadata["uid"],
        name=metadata["name"],
        node=pod.get("spec", {}).get("nodeName", ""),
        is_bound=bool(pod.get("spec", {}).get("nodeName")),
        phase=phase if phase in PHASE_ORDER else "",
        created_at=instant(metadata.get("creationTimestamp")),
        started_at=min(starts, default=None),
        last_started_at=max(starts, default=None),
        first_running_seen_at=at if starts else None,
        finished_at=(instant(terminated.get("finishedAt")) or at) if is_terminal else None,
        deletion_asked_at=_deletion_asked_at(metadata),
        last_seen_at=None if sighting.is_deletion else at,
        gone_at=at if sighting.is_deletion else None,
        restarts=int(main.get("restartCount", 0)),
        failure=_failure(status, main),
        unschedulable=unschedulable,
        unschedulable_since=since,
    )


def _main_status(status: Json) -> Json:
    statuses = status.get("containerStatuses") or []
    return next((item for item in statuses if item.get("name") == MAIN_CONTAINER), {})


def _starts(main: Json) -> list[datetime]:
    """When the main container ran, as far as its status still says: now, or before it ended or restarted.

    A container that could not be started was never running; its status has the year 1970 as start.
    """
    state = main.get("state") or {}
    known = (state.get("running") or {}, state.get("terminated") or {}, _last_terminated(main))
    found = [instant(item.get("startedAt")) for item in known if item.get("reason") not in START_FAILURES]
    return [start for start in found if start is not None]


def read_running_since(*, pod: Json, known: PodFacts) -> tuple[bool, datetime | None]:
    """Whether a pod that is seen again after a silence is the run that was known, and since when it runs anew.

    `(True, None)`: same UID and `startedAt`, nothing was interrupted. `(True, instant)`: same UID, but the container was started
    again at that instant and what lay between is not seen. `(False, None)`: not the run that was known.
    """
    if pod["metadata"]["uid"] != known.uid or known.last_started_at is None:
        return False, None
    starts = _starts(_main_status(pod.get("status", {})))
    if known.last_started_at in starts:
        return True, None
    return (True, min(starts)) if starts else (False, None)


def _last_terminated(main: Json) -> Json:
    found: Json = (main.get("lastState") or {}).get("terminated") or {}
    return found


def _deletion_asked_at(metadata: Json) -> datetime | None:
    end = instant(metadata.get("deletionTimestamp"))
    return None if end is None else end - timedelta(seconds=int(metadata.get("deletionGracePeriodSeconds") or 0))


def _failure(status: Json, main: Json) -> str:
    waiting = (main.get("state", {}).get("waiting") or {}).get("reason", "")
    if waiting in IMAGE_REASONS or waiting in START_REASONS:
        return str(waiting)
    if status.get("phase") == "Failed":
        terminated = main.get("state", {}).get("terminated") or {}
        return str(status.get("reason") or terminated.get("reason") or "Error")
    return ""


def _unschedulable(status: Json) -> tuple[str, datetime | None]:
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message", ""))[:500], instant(condition.get("lastTransitionTime"))
    return "", None


def instant(text: str | None) -> datetime | None:
    """An RFC 3339 instant, or None."""
    return None if not text else datetime.fromisoformat(text)


def usage_start(*, facts: PodFacts, observed_at: datetime) -> datetime | None:
    """Where the meter starts, as used: clamped to [pod creation, our observation], floored. None while it has not run."""
    if facts.started_at is None:
        return None
    lowest = facts.created_at or facts.started_at
    return clock.floor_to_second(max(lowest, min(facts.started_at, observed_at)))


def usage_end(
    *,
    facts: PodFacts,
    observed_at: datetime,
    stop_accepted_at: datetime | None = None,
    last_sighted_at: datetime | None = None,
) -> datetime:
    """Where the meter ends, as used: the earliest of everything that ended the run; the last sighting when it just vanished.

    Args:
        last_sighted_at: When the pod was last seen, also without having changed; facts know its changes alone.
    """
    ends = (stop_accepted_at, facts.finished_at, facts.deletion_asked_at, facts.gone_at)
    known = [end for end in ends if end is not None]
    end = min(known) if known else (_latest(facts.last_seen_at, last_sighted_at) or observed_at)
    lowest = facts.created_at or end
    return clock.floor_to_second(max(lowest, min(end, observed_at)))

"""What is the next step? Compares what is wanted of one attempt with what its cluster shows. Pure; every step may run twice."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from clusters.observations import START_REASONS, PodFacts


class Step(StrEnum):
    """What the reconciler does next."""

    APPLY = "apply"
    DELETE = "delete"
    WAIT = "wait"
    REPORT_STARTED = "report_started"
    REPORT_ENDED = "report_ended"
    REPORT_LOST = "report_lost"
    REPORT_UNSCHEDULABLE = "report_unschedulable"
    REPORT_IMAGE_UNAVAILABLE = "report_image_unavailable"
    REPORT_START_FAILED = "report_start_failed"
    REPORT_GONE = "report_gone"
    REPORT_FOREIGN = "report_foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What our rows say.

    Attributes:
        is_wanted: The instance is provisioning or running in this attempt and nobody asked to stop.
        is_running: We have recorded that this pod runs.
        has_ended: We have recorded that this rank of a gang finished while others go on.
        was_applied: We know that the API server accepted the pod once.
    """

    is_wanted: bool
    is_running: bool
    was_applied: bool
    has_ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the cluster shows under the pod's name.

    Attributes:
        pod: Facts of the pod that is ours; None when there is none.
        is_foreign: A pod of that name exists that is not this instance's attempt of this installation.
    """

    pod: PodFacts | None
    is_foreign: bool = False


def plan(
    *, wanted: Wanted, observed: Observed, unschedulable_after: timedelta, image_after: timedelta, now: datetime
) -> Step:
    """The next step; WAIT when the cluster has to move first."""
    if observed.is_foreign:
        # Never adopted, never deleted, never billed: it is shown to a person. When we want nothing there, ours is gone.
        return Step.REPORT_FOREIGN if wanted.is_wanted else Step.REPORT_GONE
    if observed.pod is None:
        return _plan_without_pod(wanted)
    if wanted.is_wanted:
        return _plan_wanted(
            wanted, observed.pod, unschedulable_after=unschedulable_after, image_after=image_after, now=now
        )
    return Step.WAIT if observed.pod.deletion_asked_at is not None else Step.DELETE


def _plan_without_pod(wanted: Wanted) -> Step:
    if not wanted.is_wanted:
        return Step.REPORT_GONE
    # A pod that the API server once accepted and that is no longer there was deleted behind our back.
    return Step.REPORT_LOST if wanted.was_applied else Step.APPLY


def _plan_wanted(
    wanted: Wanted, pod: PodFacts, *, unschedulable_after: timedelta, image_after: timedelta, now: datetime
) -> Step:
    if pod.started_at is not None and not wanted.is_running:
        # Also when it has already ended: the run counts, then its end does.
        return Step.REPORT_STARTED
    if pod.is_terminal:
        return Step.WAIT if wanted.has_ended else Step.REPORT_ENDED
    if pod.deletion_asked_at is not None:
        return Step.REPORT_LOST
    waited = now - pod.created_at if pod.created_at is not None else timedelta()
    if not pod.is_bound and pod.unschedulable and waited >= unschedulable_after:
        return Step.REPORT_UNSCHEDULABLE
    if pod.failure and pod.started_at is None and waited >= image_after:
        is_nodes_fault = pod.failure in START_REASONS
        return Step.REPORT_START_FAILED if is_nodes_fault else Step.REPORT_IMAGE_UNAVAILABLE
    return Step.WAIT


def calls_for_a_step(pod: PodFacts) -> bool:
    """Whether news of our pod can have another next step than to wait; a pod that was made or bound and nothing else cannot.

    Saves two of the three looks that a start would cause. What is wrong here is mended by the next resync.
    """
    return bool(
        pod.started_at is not None
        or pod.is_terminal
        or pod.deletion_asked_at is not None
        or pod.gone_at is not None
        or pod.failure
        or pod.unschedulable
    )

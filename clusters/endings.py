"""Why did a pod end? From what the plan says and what the cluster showed of it, to the reason that people read."""

from typing import Final

from clusters.observations import PodFacts
from clusters.plan import Step
from marketplace.instances.states import Reason

_ENDINGS: Final = {
    "OOMKilled": Reason.OUT_OF_MEMORY,
    "Evicted": Reason.EVICTED,
    "NodeLost": Reason.NODE_LOST,
    "NodeShutdown": Reason.NODE_LOST,
    "Terminated": Reason.NODE_LOST,
    "UnexpectedAdmissionError": Reason.START_FAILED,
}
"""The kubelet's reasons of a failed pod; anything else is the customer's own exit."""


def explain_ending(*, step: Step, facts: PodFacts | None) -> tuple[Reason, str]:
    """The reason of the move that an ended, failed or lost pod asks for, and the cluster's own word for it; pure."""
    if step is Step.REPORT_UNSCHEDULABLE:
        return Reason.UNSCHEDULABLE, facts.unschedulable if facts else ""
    if step is Step.REPORT_IMAGE_UNAVAILABLE:
        return Reason.IMAGE_UNAVAILABLE, facts.failure if facts else ""
    if step is Step.REPORT_START_FAILED:
        return Reason.START_FAILED, facts.failure if facts else ""
    if step is Step.REPORT_ENDED and facts is not None:
        if facts.phase == "Succeeded":
            return Reason.COMPLETED, ""
        if facts.failure.startswith("OutOf"):
            # The kubelet has fewer devices than it told the API server.
            return Reason.START_FAILED, facts.failure
        return _ENDINGS.get(facts.failure, Reason.EXITED_WITH_ERROR), facts.failure
    return Reason.POD_LOST, ""

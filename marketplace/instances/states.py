"""The one table of allowed moves of an instance, and why it may leave the run of things. Pure.

Nothing jumps back. Failure is not a state but the reason of an ending. `stopping` is left only when every pod is gone.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an instance is in its life (architecture.md, The life of an instance)."""

    QUEUED = "queued"
    PROVISIONING = "provisioning"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ENDED = "ended"


class Goal(StrEnum):
    """What is wanted of it; a column of its own, set by people, read by the reconciler."""

    RUN = "run"
    STOP = "stop"
    END = "end"


class Action(StrEnum):
    """What a customer may ask for; see `allowed_actions`."""

    START = "start"
    STOP = "stop"
    END = "end"


MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.PROVISIONING, State.STOPPED, State.ENDED}),
    State.PROVISIONING: frozenset({State.RUNNING, State.STOPPING}),
    State.RUNNING: frozenset({State.STOPPING}),
    State.STOPPING: frozenset({State.STOPPED, State.ENDED, State.QUEUED}),
    State.STOPPED: frozenset({State.QUEUED, State.ENDED}),
    State.ENDED: frozenset(),
}

HOLDS_DEVICES: Final = frozenset({State.PROVISIONING, State.RUNNING, State.STOPPING})
"""States in which devices may be allocated and pods may exist."""

HOLDS_QUOTA: Final = frozenset({State.QUEUED, State.PROVISIONING, State.RUNNING, State.STOPPING})
"""Quota is taken when the intent is saved and given back when the pods are gone."""


class Reason(StrEnum):
    """Why a move happened. Texts in both languages stand in `instances/texts.py`; `FAULTS` says whose fault it was."""

    RENTED = "rented"
    PLACED = "placed"
    STARTED = "started"
    STOP_REQUESTED = "stop_requested"
    END_REQUESTED = "end_requested"
    RESUMED = "resumed"
    COMPLETED = "completed"
    EXITED_WITH_ERROR = "exited_with_error"
    OUT_OF_MEMORY = "out_of_memory"
    IMAGE_UNAVAILABLE = "image_unavailable"
    INVALID_SPECIFICATION = "invalid_specification"
    MAX_DURATION_REACHED = "max_duration_reached"
    INSUFFICIENT_CAPACITY = "insufficient_capacity"
    MAX_WAIT_REACHED = "max_wait_reached"
    INTERRUPTED = "interrupted"
    EXPIRED_BY_OPERATOR = "expired_by_operator"
    UNSCHEDULABLE = "unschedulable"
    POD_LOST = "pod_lost"
    EVICTED = "evicted"
    NODE_LOST = "node_lost"
    START_FAILED = "start_failed"
    MAINTENANCE = "maintenance"
    DRAINED = "drained"
    PODS_GONE = "pods_gone"
    TENANT_SUSPENDED = "tenant_suspended"
    CREDIT_EXHAUSTED = "credit_exhausted"
    BUDGET_REACHED = "budget_reached"


class Fault(StrEnum):
    """Whose fault an interruption is; ours and the provider's are excused by the meter."""

    NOBODY = "nobody"
    CUSTOMER = "customer"
    PROVIDER = "provider"


FAULTS: Final[Mapping[Reason, Fault]] = {
    Reason.EXITED_WITH_ERROR: Fault.CUSTOMER,
    Reason.OUT_OF_MEMORY: Fault.CUSTOMER,
    Reason.IMAGE_UNAVAILABLE: Fault.CUSTOMER,
    Reason.INVALID_SPECIFICATION: Fault.CUSTOMER,
    Reason.UNSCHEDULABLE: Fault.PROVIDER,
    Reason.POD_LOST: Fault.PROVIDER,
    Reason.EVICTED: Fault.PROVIDER,
    Reason.NODE_LOST: Fault.PROVIDER,
    Reason.START_FAILED: Fault.PROVIDER,
    Reason.MAINTENANCE: Fault.PROVIDER,
    Reason.DRAINED: Fault.PROVIDER,
}
"""Reasons not listed are nobody's fault."""

MOVED_AWAY: Final = frozenset({Reason.MAINTENANCE, Reason.DRAINED, Reason.INTERRUPTED})
"""We took the node or the devices away: the instance goes back to the queue however often it was placed before."""

REQUEUES: Final = MOVED_AWAY | {
    Reason.UNSCHEDULABLE, Reason.POD_LOST, Reason.EVICTED, Reason.NODE_LOST, Reason.START_FAILED,
}  # fmt: skip
"""Interruptions after which an instance that is still wanted goes back to the queue."""


def can_move(*, from_state: State, to_state: State) -> bool:
    """Whether the table allows the move."""
    return to_state in MOVES[from_state]


def allowed_actions(*, state: State, goal: Goal) -> tuple[Action, ...]:
    """Actions a customer may ask for now, in the order a face shows them.

    A start that is on its way back from a stop is not offered: the stop must be finished first, so that a resume never
    overlaps the pods of the run before.
    """
    if state is State.ENDED or goal is Goal.END:
        return ()
    if state is State.STOPPED:
        return (Action.START, Action.END)
    if goal is Goal.STOP:
        return (Action.END,)
    return (Action.STOP, Action.END)


def next_after_gone(*, goal: Goal, reason: Reason, has_volumes: bool, attempts: int, attempts_max: int) -> State:
    """Where an instance in `stopping` goes once every pod is gone.

    Args:
        reason: Why it began to stop.
        has_volumes: A failure stops an instance with volumes and ends the others.
        attempts: Placements so far, counting the one that just ended.
        attempts_max: After so many an interruption is final.
    """
    if goal is Goal.END:
        return State.ENDED
    if goal is Goal.STOP:
        return State.STOPPED
    if reason in MOVED_AWAY or (reason in REQUEUES and attempts < attempts_max):
        return State.QUEUED
    return State.STOPPED if has_volumes else State.ENDED

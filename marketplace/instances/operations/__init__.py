"""Every write of an instance, by who causes it.

`moving._move` is the only function that assigns `state`: it checks the table of moves, appends the transition and hints after
commit.
"""

from marketplace.instances.operations.asking import (
    DeletionProtected,
    InvalidState,
    change_instance,
    resume,
    want_stop_or_end,
)
from marketplace.instances.operations.interrupting import announce_interruptions, interrupt_due
from marketplace.instances.operations.moving import (
    MoveNotAllowed,
    condition,
    lock_instance,
    lock_queued_instances,
)
from marketplace.instances.operations.observing import (
    OVERDUE_PER_SWEEP_MAX,
    begin_stopping,
    record_gone,
    record_rank_ended,
    record_started,
    stop_overdue,
)
from marketplace.instances.operations.placing import (
    DecisionRecord,
    Forecast,
    Promise,
    PromisedNode,
    WaitNews,
    allocate_many,
    give_up_waiting,
    record_decisions,
    record_forecasts,
    record_waiting_many,
)
from marketplace.instances.operations.renting import AgreedTerm, InstanceSpec, create_instance
from marketplace.instances.operations.scheduling import (
    ScheduleSpec,
    claim_schedule,
    create_schedule,
    record_refused_start,
    record_schedule_outcome,
    remove_schedule,
)
from marketplace.instances.operations.sighting import SeenRun, record_seen_again

__all__ = [
    "OVERDUE_PER_SWEEP_MAX",
    "AgreedTerm",
    "DecisionRecord",
    "DeletionProtected",
    "Forecast",
    "InstanceSpec",
    "InvalidState",
    "MoveNotAllowed",
    "Promise",
    "PromisedNode",
    "ScheduleSpec",
    "SeenRun",
    "WaitNews",
    "allocate_many",
    "announce_interruptions",
    "begin_stopping",
    "change_instance",
    "claim_schedule",
    "condition",
    "create_instance",
    "create_schedule",
    "give_up_waiting",
    "interrupt_due",
    "lock_instance",
    "lock_queued_instances",
    "record_decisions",
    "record_forecasts",
    "record_gone",
    "record_rank_ended",
    "record_refused_start",
    "record_schedule_outcome",
    "record_seen_again",
    "record_started",
    "record_waiting_many",
    "remove_schedule",
    "resume",
    "stop_overdue",
    "want_stop_or_end",
]

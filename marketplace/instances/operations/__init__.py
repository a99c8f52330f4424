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
from marketplace.instances.operations.moving import MoveNotAllowed, condition, lock_instance
from marketplace.instances.operations.observing import (
    OVERDUE_PER_SWEEP_MAX,
    begin_stopping,
    record_gone,
    record_started,
    stop_overdue,
)
from marketplace.instances.operations.placing import allocate, give_up_waiting, record_decision, record_waiting
from marketplace.instances.operations.renting import AgreedTerm, InstanceSpec, create_instance

__all__ = [
    "OVERDUE_PER_SWEEP_MAX",
    "AgreedTerm",
    "DeletionProtected",
    "InstanceSpec",
    "InvalidState",
    "MoveNotAllowed",
    "allocate",
    "begin_stopping",
    "change_instance",
    "condition",
    "create_instance",
    "give_up_waiting",
    "lock_instance",
    "record_decision",
    "record_gone",
    "record_started",
    "record_waiting",
    "resume",
    "stop_overdue",
    "want_stop_or_end",
]

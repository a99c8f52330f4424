"""Taking devices back from interruptible instances: announced, then carried out; the instance queues again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from marketplace.instances.models import Instance
from marketplace.instances.operations.moving import condition
from marketplace.instances.operations.observing import begin_stopping
from marketplace.instances.states import Goal, Reason, State
from marketplace.kernel import clock
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice

INTERRUPTION: Final = "Interruption"
"""The condition that announces when the devices are taken back."""
INTERRUPTED_PER_SWEEP_MAX: Final = 200


def announce_interruptions(*, instance_ids: Sequence[UUID], interrupt_at: datetime, now: datetime) -> int:
    """Tell running, interruptible instances when their devices are taken back; how many were told. Safe to repeat.

    Requires an open staff transaction. Locks the instances, by id.
    """
    rows = Instance.objects.select_for_update(no_key=True).filter(
        id__in=instance_ids, state=State.RUNNING, goal=Goal.RUN, is_interruptible=True, interrupt_at__isnull=True
    )
    told = 0
    for instance in rows.order_by("id"):
        at = interrupt_at.astimezone(clock.KST).strftime("%Y-%m-%d %H:%M:%S")
        instance.interrupt_at = interrupt_at
        instance.conditions[INTERRUPTION] = condition(
            status="True", reason="InterruptionAnnounced", now=now, facts={"interrupt_at": at}
        )
        instance.revision += 1
        instance.save(update_fields=["interrupt_at", "conditions", "revision"])
        raise_notice(
            key=f"interruption:{instance.id}", code="instance.interruption", severity=Severity.WARNING,
            tenant_id=instance.tenant_id, project_id=instance.project_id,
            facts={"name": instance.name, "interrupt_at": at}, object_type="ins", object_id=instance.id, now=now,
        )  # fmt: skip
        told += 1
    return told


def interrupt_due(*, now: datetime) -> int:
    """Begin to stop instances whose notice is over; the meter ends with the notice. How many. Safe to repeat.

    Locks each instance, in order of id.
    """
    due = Instance.objects.filter(state=State.RUNNING, interrupt_at__lte=now).order_by("id")
    stopped = 0
    for instance_id, attempt, at in due.values_list("id", "attempt", "interrupt_at")[:INTERRUPTED_PER_SWEEP_MAX]:
        stopped += begin_stopping(
            instance_id=instance_id,
            attempt=attempt,
            reason=Reason.INTERRUPTED,
            occurred_at=clock.floor_to_second(at or now),
            now=now,
            trigger="interruption",
        )
    return stopped

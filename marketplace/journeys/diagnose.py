"""Why does it wait, or what happened to it? Reads only, in the reader's language."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.instances.models import Instance
from marketplace.instances.queries import count_queued_before, get_instance
from marketplace.instances.states import State
from marketplace.instances.texts import explain_reason, explain_wait
from marketplace.kernel.actors import Actor
from marketplace.tenants.access import require_permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason with its numbers and what the customer can do.

    Attributes:
        is_blocking: Somebody must act; time alone does not help.
    """

    code: str
    message: str
    is_blocking: bool
    facts: dict[str, Any]
    remedies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The answer.

    Attributes:
        queue_position: Place among queued instances that could start, 1 = next; None when it is not queued, or when time alone
            cannot make room for it.
        start_p50_at, start_p90_at: Probable and almost certain start; None = honestly unknown.
    """

    instance: Instance
    findings: tuple[Finding, ...]
    queue_position: int | None
    start_p50_at: datetime | None
    start_p90_at: datetime | None


def diagnose(*, actor: Actor, instance_id: UUID) -> Diagnosis:
    """Explain an instance's present state.

    Raises:
        NotFound: Unknown or not the actor's.
        Forbidden: The actor may not read instances.
    """
    require_permission(actor=actor, permission="instances.read")
    instance = get_instance(actor=actor, instance_id=instance_id)
    if instance.state == State.QUEUED:
        condition = instance.conditions.get("CapacityAllocated", {})
        message, remedy, is_blocking = explain_wait(condition.get("reason", ""), condition.get("facts", {}))
        findings: tuple[Finding, ...] = (
            Finding(
                code=condition.get("reason", ""),
                message=message,
                is_blocking=is_blocking,
                facts=condition.get("facts", {}),
                remedies=(remedy,) if remedy else (),
            ),
        )
    else:
        findings = (
            Finding(
                code=instance.state_reason,
                message=explain_reason(instance.state_reason),
                is_blocking=False,
                facts={},
                remedies=(),
            ),
        )
    is_queued = instance.state == State.QUEUED
    return Diagnosis(
        instance=instance,
        findings=findings,
        queue_position=_queue_position(instance, is_blocked=findings[0].is_blocking) if is_queued else None,
        start_p50_at=instance.start_p50_at if is_queued else None,
        start_p90_at=instance.start_p90_at if is_queued else None,
    )


def _queue_position(instance: Instance, *, is_blocked: bool) -> int | None:
    """As the admitter last ordered the queue; before its first look, by time of asking."""
    if instance.queue_position is not None or is_blocked:
        return instance.queue_position
    return count_queued_before(instance=instance) + 1

"""Why does it wait, or what happened to it? Reads only, in the reader's language."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from marketplace.instances.models import Instance
from marketplace.instances.queries import count_queued_before, get_instance
from marketplace.instances.states import State
from marketplace.instances.texts import explain_reason, explain_wait
from marketplace.journeys.refusal_words import RefusalWords
from marketplace.journeys.schedule import find_refused_start
from marketplace.kernel.actors import Actor
from marketplace.scheduling.waiting import WaitReason
from marketplace.tenants.access import require_permission
from marketplace.tenants.queries import list_people_who_may


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
        reason, facts = condition.get("reason", ""), condition.get("facts", {})
        message, remedy, is_blocking = explain_wait(reason, _with_names(reason, facts))
        findings: tuple[Finding, ...] = (
            Finding(
                code=condition.get("reason", ""),
                message=message,
                is_blocking=is_blocking,
                facts=condition.get("facts", {}),
                remedies=(*((remedy,) if remedy else ()), *_whom_to_ask(actor, condition.get("reason", ""))),
            ),
        )
    elif (refused := find_refused_start(instance)) is not None:
        reason, facts = refused
        message, remedy, is_blocking = explain_wait(reason, facts)
        findings = (Finding(code=reason, message=message, is_blocking=is_blocking, facts=facts, remedies=(remedy,)),)
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


def _with_names(reason: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Providers and schemes by their names, where the sentence has any; two more queries then."""
    if reason != WaitReason.CUSTOMER_ASSESSMENT_MISSING:
        return facts
    words = RefusalWords.read()
    providers, schemes = (str(facts.get(name, "")).split(", ") for name in ("providers", "schemes"))
    return {
        "providers": ", ".join(words.provider(code) for code in providers),
        "schemes": ", ".join(words.scheme(code) for code in schemes),
    }


def _whom_to_ask(actor: Actor, reason: str) -> tuple[str, ...]:
    """Names, where somebody of the own organization must act."""
    if reason != WaitReason.CUSTOMER_ASSESSMENT_MISSING:
        return ()
    people = list_people_who_may(actor=actor, permission="assurance.write")
    named = ", ".join(f"{person.name} ({person.email})" for person in people)
    return (_("Whom to ask: %(people)s") % {"people": named},) if named else ()


def _queue_position(instance: Instance, *, is_blocked: bool) -> int | None:
    """As the admitter last ordered the queue; before its first look, by time of asking."""
    if instance.queue_position is not None or is_blocked:
        return instance.queue_position
    return count_queued_before(since=instance.queued_at, instance_id=instance.id) + 1

"""The operator's view of the queue: who waits where and why, how good the estimates were, and the end of a wait that is stuck."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _

from marketplace.instances.history import EstimateScore, find_any, list_waiting, score_estimates
from marketplace.instances.models import Instance, PlacementDecision
from marketplace.instances.operations import give_up_waiting
from marketplace.instances.rejection_texts import explain_rejection
from marketplace.instances.states import Reason
from marketplace.instances.texts import explain_wait
from marketplace.journeys.refusal_words import RefusalWords
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, OndolError

SCORE_WINDOW: Final = timedelta(days=30)
PAGE_SIZE: Final = 50


class NotWaiting(OndolError):
    """The instance left the queue meanwhile; nothing was changed."""

    code = "not_waiting"
    http_status = 409
    title = _("The instance does not wait any more.")
    remedy = _("Look at the queue again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """One waiting instance with its reason in words."""

    instance: Instance
    reason: str
    message: str
    is_blocking: bool
    waited: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """A page of the queue and figures of all of it.

    Attributes:
        reasons: How many wait for each reason, the most frequent first.
        next_offset: Where the next page begins; None on the last one.
    """

    rows: Sequence[WaitingRow]
    total: int
    positioned: int
    blocked: int
    longest: timedelta
    reasons: Sequence[tuple[str, int]]
    score: EstimateScore
    next_offset: int | None


def view_queue(*, now: datetime, reason: str = "", offset: int = 0) -> QueueView:
    """In the order of the admitter: first those with a position, then those that time alone does not help. Needs an operator."""
    waiting = list_waiting()
    told = [
        (queued_at, condition.get("reason", ""), condition.get("facts", {}), position)
        for queued_at, condition, position in waiting.values_list(
            "queued_at", "conditions__CapacityAllocated", "queue_position"
        )
        if condition is not None
    ]
    shown = waiting.filter(conditions__CapacityAllocated__reason=reason) if reason else waiting
    ordered = shown.select_related("tenant", "project").order_by(
        F("queue_position").asc(nulls_last=True), "queued_at", "id"
    )
    found = list(ordered[offset : offset + PAGE_SIZE + 1])
    return QueueView(
        rows=[_describe(row, now=now) for row in found[:PAGE_SIZE]],
        total=len(told),
        positioned=sum(position is not None for *_rest, position in told),
        blocked=sum(explain_wait(token, facts)[2] for _at, token, facts, _position in told),
        longest=max((now - queued_at for queued_at, *_rest in told), default=timedelta()),
        reasons=Counter(token for _at, token, *_rest in told).most_common(),
        score=score_estimates(now=now, window=SCORE_WINDOW),
        next_offset=offset + PAGE_SIZE if len(found) > PAGE_SIZE else None,
    )


def _describe(instance: Instance, *, now: datetime) -> WaitingRow:
    condition = instance.conditions.get("CapacityAllocated", {})
    message, _remedy, is_blocking = explain_wait(condition.get("reason", ""), condition.get("facts", {}))
    return WaitingRow(
        instance=instance,
        reason=condition.get("reason", ""),
        message=message,
        is_blocking=is_blocking,
        waited=now - instance.queued_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Everything that the newest decision says of one waiting instance."""

    row: WaitingRow
    decision: PlacementDecision | None
    candidates: Sequence[dict[str, Any]]
    estimates: QuerySet[Any]


def explain_waiting(*, instance_id: UUID, now: datetime) -> Explained:
    """Why it waits, candidate by candidate. Needs an operator.

    Raises:
        NotFound: Unknown.
    """
    instance = find_any(instance_id=instance_id)
    if instance is None:
        raise NotFound
    decision = instance.decisions.order_by("-id").first()
    words = RefusalWords.read()
    candidates = [
        {
            **candidate,
            "sentence": explain_rejection(candidate["rejection"]),
            "sentences": [words.explain(reason) for reason in candidate.get("reasons", [])],
        }
        for candidate in (decision.candidates if decision else [])
    ]
    return Explained(
        row=_describe(instance, now=now),
        decision=decision,
        candidates=candidates,
        estimates=instance.start_estimates.order_by("-attempt"),
    )


def expire_wait(*, actor: Actor, instance_id: UUID, why: str, now: datetime) -> None:
    """End a wait that is stuck; the customer reads why on the instance. Audited.

    Raises:
        NotFound: Unknown.
        NotWaiting: It was placed, stopped or ended meanwhile; nothing is written.

    Locks the instance's quota rows, then the instance.
    """
    instance = find_any(instance_id=instance_id)
    if instance is None:
        raise NotFound
    is_ended = give_up_waiting(
        instance_id=instance_id, reason=Reason.EXPIRED_BY_OPERATOR, actor_name=actor.name, detail=why, now=now
    )
    if not is_ended:
        raise NotWaiting
    record_act(
        actor=actor, action="instance.wait_expired", object_type="ins", object_id=instance_id,
        tenant_id=instance.tenant_id, now=now, reason=why,
    )  # fmt: skip

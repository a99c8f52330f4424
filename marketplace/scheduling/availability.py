"""How soon could a request have a place? A band told honestly, read off the answer of the code that places. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from marketplace.scheduling.placement import Choice
from marketplace.scheduling.stock import Rejection
from marketplace.scheduling.waiting import Rejected, WaitReason


class Band(StrEnum):
    """What a customer can count on."""

    NOW = "now"
    QUEUE = "queue"
    RESERVATION = "reservation"
    NONE = "none"


HOPELESS: Final = frozenset(
    {
        WaitReason.REQUEST_TOO_LARGE,
        WaitReason.VERSION_NOT_INSTALLED,
        WaitReason.NO_CERTIFIED_SITE,
        WaitReason.CUSTOMER_ASSESSMENT_MISSING,
        WaitReason.CERTIFICATION_EXPIRES_TOO_SOON,
        WaitReason.PRICE_ABOVE_LIMIT,
    }
)
"""Waiting does not help: the request would have to change, or somebody would have to act for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSpan:
    """When a request that joins the queue now would probably, and almost certainly, start; in seconds of the outlook's clock."""

    p50_s: float
    p90_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """The band of one offer for one request.

    Attributes:
        wait_reason: Why not now; None where it could start, or only a reservation buys it.
        start: None = nobody can tell.
        rejected: Every pool that was not taken, with why.
    """

    band: Band
    wait_reason: WaitReason | None = None
    start: StartSpan | None = None
    rejected: Sequence[Rejected] = ()


BY_RESERVATION: Final = Availability(band=Band.RESERVATION)


def tell_availability(*, choice: Choice, start: StartSpan | None = None) -> Availability:
    """The band that a choice amounts to.

    Args:
        start: Expected for such a request; told only of one that waits for what time alone brings.
    """
    if choice.placements:
        return Availability(band=Band.NOW, rejected=choice.rejected)
    reason = choice.wait_reason or WaitReason.WAITING_FOR_CAPACITY
    if reason in HOPELESS or not _has_any(choice.rejected):
        return Availability(band=Band.NONE, wait_reason=reason, rejected=choice.rejected)
    return Availability(band=Band.QUEUE, wait_reason=reason, start=start, rejected=choice.rejected)


def _has_any(rejected: Sequence[Rejected]) -> bool:
    """Whether there is any node of the offer at all."""
    return any(item.node_count for item in rejected if item.rejection is not Rejection.NO_TERMS)


Spans = Mapping[UUID, Mapping[int, StartSpan]]
"""By offer: devices → when."""


def find_span(*, spans: Spans, offer_id: UUID, devices: int) -> StartSpan | None:
    """The span of the smallest size looked at that is no smaller than the request."""
    sizes = spans.get(offer_id, {})
    return next((sizes[size] for size in sorted(sizes) if size >= devices), None)

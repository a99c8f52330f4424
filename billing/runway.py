"""How long money lasts: the next instant at which something is to be said or done, at the present rate. Pure.

Amounts are exact numerators (kernel.money); a rate is numerators a second. Grace lies before the end, not after it: the last hour
of a balance is when people are told for the last time, so that what is stopped at zero owes no more than rate × detection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from marketplace.kernel.money import NUMERATOR_PER_WON

LOW_S: Final = 24 * 3_600
"""Told first when the balance lasts a day: time for a transfer on a working day."""
GRACE_S: Final = 3_600
"""Told again in the last hour: time to save what runs."""
NEVER_S: Final = 10 * 366 * 86_400
"""A balance that lasts longer lasts for ever."""
HOLD_S: Final = 3_600
"""What an instance keeps of a balance when it is rented: nothing is started that could not run for an hour."""


class Stage(StrEnum):
    """Values are those of models.CreditStage."""

    ENOUGH = "enough"
    LOW = "low"
    GRACE = "grace"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Credit that is left of one lot."""

    lot_id: UUID
    remaining_won: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runway:
    """Where a balance stands.

    Attributes:
        exhausts_at: When it is used up at the present rate; None = never at this rate.
        next_crossing_at: When the stage changes or a lot expires; None = never at this rate.
    """

    stage: Stage
    exhausts_at: datetime | None
    next_crossing_at: datetime | None


def seconds_until(*, remaining_numerator: int, numerator_per_second: int) -> int | None:
    """Whole seconds until so much is used, rounded up; 0 when it is, None when nothing uses it or not in ten years."""
    if remaining_numerator <= 0:
        return 0
    if numerator_per_second <= 0:
        return None
    seconds = -(-remaining_numerator // numerator_per_second)
    return seconds if seconds <= NEVER_S else None


def find_exhaustion(
    *, lots: Sequence[Lot], unsettled_numerator: int, numerator_per_second: int, now: datetime
) -> datetime | None:
    """When the lots are used up: use goes to the lot that expires first, and what is left of a lot is gone when it expires.

    Args:
        unsettled_numerator: Use that no lot was drawn for yet, or a debt.
    """
    used, since = unsettled_numerator, now
    for lot in sorted(lots, key=lambda item: (item.expires_at is None, item.expires_at or now)):
        if lot.expires_at is not None and lot.expires_at <= since:
            # Expired and not booked yet: only what was used until now counts against it.
            used = max(0, used - lot.remaining_won * NUMERATOR_PER_WON)
            continue
        left = lot.remaining_won * NUMERATOR_PER_WON - used
        if left <= 0:
            used = -left
            continue
        needed = seconds_until(remaining_numerator=left, numerator_per_second=numerator_per_second)
        if needed is None:
            return None
        end = since + timedelta(seconds=needed)
        if lot.expires_at is not None and lot.expires_at < end:
            used, since = 0, lot.expires_at
            continue
        used, since = 0, end
    return since


def look_ahead(*, lots: Sequence[Lot], unsettled_numerator: int, numerator_per_second: int, now: datetime) -> Runway:
    """The stage of a balance now, and when it is to be looked at again."""
    expiries = [lot.expires_at for lot in lots if lot.remaining_won > 0 and lot.expires_at is not None]
    next_expiry = min((at for at in expiries if at > now), default=None)
    left = sum(lot.remaining_won for lot in lots) * NUMERATOR_PER_WON - unsettled_numerator
    exhausts_at = None
    if left <= 0:
        exhausts_at = now
    elif numerator_per_second > 0:
        exhausts_at = find_exhaustion(
            lots=lots, unsettled_numerator=unsettled_numerator, numerator_per_second=numerator_per_second, now=now
        )
    stage = _stage(exhausts_at, now)
    candidates = [at for at in (next_expiry,) if at is not None]
    if exhausts_at is not None:
        marks = (exhausts_at - timedelta(seconds=LOW_S), exhausts_at - timedelta(seconds=GRACE_S), exhausts_at)
        candidates += [at for at in marks if at > now]
    return Runway(stage=stage, exhausts_at=exhausts_at, next_crossing_at=min(candidates, default=None))


def _stage(exhausts_at: datetime | None, now: datetime) -> Stage:
    if exhausts_at is None:
        return Stage.ENOUGH
    left = exhausts_at - now
    if left <= timedelta(0):
        return Stage.EXHAUSTED
    if left <= timedelta(seconds=GRACE_S):
        return Stage.GRACE
    return Stage.LOW if left <= timedelta(seconds=LOW_S) else Stage.ENOUGH


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """Where a budget stands.

    Attributes:
        percent: Of the amount, rounded down.
        passed_percent: The highest threshold reached; 0 = none.
        next_crossing_at: When the next threshold or the limit is reached at the present rate.
    """

    percent: int
    passed_percent: int
    is_reached: bool
    next_crossing_at: datetime | None


def view_budget(
    *, amount_won: int, spent_numerator: int, numerator_per_second: int, thresholds: Sequence[int], now: datetime
) -> BudgetView:
    """Compare what was spent with the amount and its thresholds; the limit itself counts as 100 %."""
    amount = amount_won * NUMERATOR_PER_WON
    marks = sorted({*thresholds, 100})
    ahead = [amount * mark for mark in marks if spent_numerator * 100 < amount * mark]
    needed = (
        seconds_until(
            remaining_numerator=-(-(ahead[0] - spent_numerator * 100) // 100), numerator_per_second=numerator_per_second
        )
        if ahead
        else None
    )
    return BudgetView(
        percent=max(0, spent_numerator) * 100 // amount,
        passed_percent=max((mark for mark in thresholds if spent_numerator * 100 >= amount * mark), default=0),
        is_reached=spent_numerator >= amount,
        next_crossing_at=None if needed is None else now + timedelta(seconds=needed),
    )


def draw_lots(*, lots: Sequence[Lot], amount_won: int) -> list[tuple[UUID | None, int]]:
    """From which lots an amount is taken: the one that expires first, first; the rest is a debt (None)."""
    drawn: list[tuple[UUID | None, int]] = []
    left = amount_won
    for lot in sorted(lots, key=lambda item: (item.expires_at is None, item.expires_at, item.lot_id)):
        taken = min(left, lot.remaining_won)
        if taken > 0:
            drawn.append((lot.lot_id, taken))
            left -= taken
    if left > 0:
        drawn.append((None, left))
    return drawn

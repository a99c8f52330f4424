"""The time of a self-metering site's run that the site has not told: unknown until it does. Pure."""

from collections.abc import Iterable
from datetime import datetime

from billing.metering.rules import Cause, Kind, Part, Run, resolution_deadline
from billing.rating import cut_at_months, month_bounds, month_of

_Stretch = tuple[datetime, datetime | None]


def find_untold(*, run: Run, told: Iterable[tuple[datetime, datetime]], now: datetime) -> list[Part]:
    """The parts of a run that no event covers, in order: unknown, and excused once their day of decision has passed.

    A part never spans the end of a month in Seoul that is over at `now`.

    Args:
        told: Stretches of time that stand as told, in any order; they do not overlap.
    """
    if run.ended_at is not None and run.ended_at <= run.started_at:
        return []
    gaps: list[_Stretch] = []
    at = run.started_at
    for start, end in sorted(told):
        until = start if run.ended_at is None else min(start, run.ended_at)
        if at < until:
            gaps.append((at, until))
        at = max(at, end)
    if run.ended_at is None or at < run.ended_at:
        gaps.append((at, run.ended_at))
    return [_judge(start, end, now) for gap in gaps for start, end in _cut(gap, now)]


def _cut(gap: _Stretch, now: datetime) -> list[_Stretch]:
    start, end = gap
    if end is not None:
        return list(cut_at_months(started_at=start, ended_at=end))
    this_month = month_bounds(month_of(now))[0]
    if start >= this_month:
        return [gap]
    return [*cut_at_months(started_at=start, ended_at=this_month), (this_month, None)]


def _judge(start: datetime, end: datetime | None, now: datetime) -> Part:
    is_decided = now >= resolution_deadline(month_of(start))
    return Part(
        started_at=start,
        ended_at=end,
        kind=Kind.EXCUSED if is_decided else Kind.UNKNOWN,
        cause=Cause.UNRESOLVED if is_decided else Cause.NOT_TOLD,
    )

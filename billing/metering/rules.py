"""The metering rule: what a run's time is, second by second: metered, excused or unknown. Pure.

A function of the run and of all evidence there is *now*: the order in which evidence came, and how often, do not matter. When
more evidence comes, the same function gives another answer, and the difference is written as superseding rows. The worked
table of billing/README.md is this module's test.

The run's own ends were clamped and floored where they were observed (`clusters.observations`); evidence is floored here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from billing.rating import month_bounds, month_of
from marketplace.kernel.clock import KST, floor_to_second


class Kind(StrEnum):
    """Whether time is paid for; values are those of `billing.models.UsageKind`."""

    METERED = "metered"
    EXCUSED = "excused"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why time is excused or unknown; sentences in both languages stand in `billing/metering/texts.py`."""

    NONE = ""
    NODE_NOT_READY = "node_not_ready"
    NODE_LOST = "node_lost"
    MAINTENANCE = "maintenance"
    SITE_OUTAGE = "site_outage"
    FAILED_START = "failed_start"
    POD_VANISHED = "pod_vanished"
    RESTARTED_UNSEEN = "restarted_unseen"
    UNRESOLVED = "unresolved"
    CLUSTER_SILENT = "cluster_silent"
    NOT_TOLD = "not_told"


class Trouble(StrEnum):
    """What is known of a node, a cluster or a site over a stretch of time; values are those of `inventory.OutageKind`."""

    NODE_NOT_READY = "node_not_ready"
    NODE_LOST = "node_lost"
    MAINTENANCE = "maintenance"
    SITE_OUTAGE = "site_outage"
    CLUSTER_SILENT = "cluster_silent"
    STATED_UP = "stated_up"


EXCUSES: Final[Mapping[Trouble, Cause]] = {
    Trouble.NODE_LOST: Cause.NODE_LOST,
    Trouble.NODE_NOT_READY: Cause.NODE_NOT_READY,
    Trouble.SITE_OUTAGE: Cause.SITE_OUTAGE,
    Trouble.MAINTENANCE: Cause.MAINTENANCE,
}
"""Known faults of ours or the provider's, the strongest first: where two overlap, the first names the reason."""

RESOLUTION_DAY: Final = 5
"""Day of the next month, in Korean time, on which what is still unknown becomes excused: before the tax invoice's 10th."""


class EndedBy(StrEnum):
    """Who told the end of a run."""

    NOBODY = "nobody"
    CUSTOMER = "customer"
    CLUSTER = "cluster"
    VANISHED = "vanished"
    FAILED_START = "failed_start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One stay of an instance in `running`, or one attempt that never came so far.

    Attributes:
        opened_at: When we learnt of the start.
        ended_at: Where the meter ends; the last sighting when the pod vanished; None while it runs.
        ended_by: CUSTOMER: a stop was accepted, which says nothing of the pod. CLUSTER: the cluster told the end with a time of
            its own. VANISHED: it was no longer there.
        end_known_at: When we learnt of the end.
    """

    started_at: datetime
    opened_at: datetime
    ended_at: datetime | None = None
    ended_by: EndedBy = EndedBy.NOBODY
    end_known_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """Trouble over a stretch of time; `ended_at` None while it lasts.

    Attributes:
        relisted_at: For a silence: when the cluster's pods were listed for the first time after it.
    """

    trouble: Trouble
    started_at: datetime
    ended_at: datetime | None = None
    relisted_at: datetime | None = None

    def covers(self, instant: datetime) -> bool:
        """Whether the instant lies in it."""
        return self.started_at <= instant and (self.ended_at is None or instant < self.ended_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAgain:
    """The run's pod was seen after a silence under the same UID.

    Attributes:
        running_since: None when its container had the same `startedAt`; else the container's new start.
    """

    seen_at: datetime
    running_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of a run with one verdict; half-open, whole seconds; `ended_at` None for the last part of a run that goes on."""

    started_at: datetime
    ended_at: datetime | None
    kind: Kind
    cause: Cause = Cause.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    run: Run
    spells: Sequence[Spell]
    seen: Sequence[SeenAgain]
    now: datetime


def classify(*, run: Run, spells: Iterable[Spell], seen: Iterable[SeenAgain], now: datetime) -> list[Part]:
    """The parts of a run, in order, without gap or overlap; none when it holds no whole second.

    A part never spans the end of a month in Seoul that is over at `now`.

    Args:
        spells: What is known of the run's node, cluster and site, in any order, with repetitions or without.
        seen: Sightings of this very run after silences.
    """
    case = _Case(
        run=run,
        spells=sorted({_floored(spell) for spell in spells}, key=_spell_order),
        seen=sorted(set(seen), key=lambda item: (item.seen_at, item.running_since or item.seen_at)),
        now=now,
    )
    last = _last_instant(run)
    if last is not None and last <= run.started_at:
        return []
    starts = _boundaries(case, last)
    ends: list[datetime | None] = [*starts[1:], last]
    judged = [(start, end, *_judge(case, start)) for start, end in zip(starts, ends, strict=True)]
    return _join(judged)


def _floored(spell: Spell) -> Spell:
    return Spell(
        trouble=spell.trouble,
        started_at=floor_to_second(spell.started_at),
        ended_at=floor_to_second(spell.ended_at) if spell.ended_at else None,
        relisted_at=spell.relisted_at,
    )


def _spell_order(spell: Spell) -> tuple[datetime, str, bool, datetime]:
    return spell.started_at, spell.trouble.value, spell.ended_at is None, spell.ended_at or spell.started_at


def _last_instant(run: Run) -> datetime | None:
    """Where the last part ends: for a pod that vanished what follows the last sighting is excused until we noticed."""
    if run.ended_by is EndedBy.VANISHED and run.end_known_at is not None and run.ended_at is not None:
        return max(run.ended_at, floor_to_second(run.end_known_at))
    return run.ended_at


def _boundaries(case: _Case, last: datetime | None) -> list[datetime]:
    """Every instant at which a verdict may change, from the start on."""
    run, until = case.run, last or case.now
    found = {run.ended_at, *(item.running_since and floor_to_second(item.running_since) for item in case.seen)}
    for spell in case.spells:
        found |= {spell.started_at, spell.ended_at}
    start = month_bounds(month_of(run.started_at))[1]
    while start <= until:
        found.add(start)
        start = month_bounds(month_of(start))[1]
    # An open run may be cut at this very second, an ended one has no part that begins with its end.
    inside = [at for at in found if at is not None and run.started_at < at <= until and (last is None or at < until)]
    return [run.started_at, *sorted(inside)]


def _judge(case: _Case, at: datetime) -> tuple[Kind, Cause]:
    """The verdict on the second that begins at `at`."""
    run = case.run
    if run.ended_by is EndedBy.FAILED_START:
        return Kind.EXCUSED, Cause.FAILED_START
    covering = [spell for spell in case.spells if spell.covers(at)]
    troubles = {spell.trouble for spell in covering}
    for trouble, cause in EXCUSES.items():
        if trouble in troubles:
            return Kind.EXCUSED, cause
    if run.ended_at is not None and at >= run.ended_at:
        return Kind.EXCUSED, Cause.POD_VANISHED
    silences = [spell for spell in covering if spell.trouble is Trouble.CLUSTER_SILENT]
    if not silences:
        return Kind.METERED, Cause.NONE
    verdict = _resolve(case, silences[-1], at)
    if verdict is None and Trouble.STATED_UP in troubles:
        return Kind.METERED, Cause.NONE
    return verdict or _undecided(at, case.now)


def _resolve(case: _Case, silence: Spell, at: datetime) -> tuple[Kind, Cause] | None:
    """What evidence after a silence says of a second in it; None when there is none yet."""
    run, over = case.run, silence.ended_at
    if over is None:
        return None
    if floor_to_second(run.opened_at) >= over:
        # The cluster told the start after it had come back: it was seen running since.
        return Kind.METERED, Cause.NONE
    later = next((item for item in case.seen if floor_to_second(item.seen_at) >= over), None)
    if later is not None:
        if later.running_since is None or floor_to_second(later.running_since) <= at:
            return Kind.METERED, Cause.NONE
        return Kind.EXCUSED, Cause.RESTARTED_UNSEEN
    if run.ended_by is EndedBy.CLUSTER and run.end_known_at is not None and floor_to_second(run.end_known_at) >= over:
        return Kind.METERED, Cause.NONE
    if silence.relisted_at is not None or run.ended_by is EndedBy.VANISHED:
        return Kind.EXCUSED, Cause.POD_VANISHED
    return None


def _undecided(at: datetime, now: datetime) -> tuple[Kind, Cause]:
    if now >= resolution_deadline(month_of(at)):
        return Kind.EXCUSED, Cause.UNRESOLVED
    return Kind.UNKNOWN, Cause.CLUSTER_SILENT


def resolution_deadline(month: date) -> datetime:
    """When what is still unknown of a month becomes excused: the 5th of the next month, 00:00 in Seoul."""
    _start, following = month_bounds(month)
    local = following.astimezone(KST)
    return datetime(local.year, local.month, RESOLUTION_DAY, tzinfo=KST)


def _join(judged: Sequence[tuple[datetime, datetime | None, Kind, Cause]]) -> list[Part]:
    """Adjacent parts with one verdict become one, but for the cut at a month's end."""
    parts: list[Part] = []
    for start, end, kind, cause in judged:
        before = parts[-1] if parts else None
        if (
            before is not None
            and (before.kind, before.cause) == (kind, cause)
            and month_of(before.started_at) == month_of(start)
        ):
            parts[-1] = Part(started_at=before.started_at, ended_at=end, kind=kind, cause=cause)
        else:
            parts.append(Part(started_at=start, ended_at=end, kind=kind, cause=cause))
    return parts


def cut_parts(*, parts: Iterable[Part], at: Iterable[datetime]) -> list[Part]:
    """The same parts, cut also at the given instants; so that a closed row that still holds is kept as it is."""
    cuts = sorted(set(at))
    pieces: list[Part] = []
    for part in parts:
        start = part.started_at
        for cut in cuts:
            if start < cut and (part.ended_at is None or cut < part.ended_at):
                pieces.append(Part(started_at=start, ended_at=cut, kind=part.kind, cause=part.cause))
                start = cut
        pieces.append(Part(started_at=start, ended_at=part.ended_at, kind=part.kind, cause=part.cause))
    return pieces

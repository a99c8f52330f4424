"""The metering rule: the worked table of billing/README.md, and what holds for every history."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.metering.meters import METERS, Meter, amount_of
from billing.metering.rules import (
    Cause,
    EndedBy,
    Kind,
    Part,
    Run,
    SeenAgain,
    Spell,
    Trouble,
    classify,
    cut_parts,
    resolution_deadline,
)
from marketplace.kernel.clock import KST, seconds_between

NOON = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
"""Noon in Seoul."""


def at(minutes: float) -> datetime:
    """Minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def minutes_of(instant: datetime) -> float:
    """After noon; the inverse of `at`."""
    return (instant - NOON) / timedelta(minutes=1)


def run(*, ended: float | None = 60, by: EndedBy = EndedBy.CLUSTER, known: float | None = None) -> Run:
    """A run from noon on."""
    return Run(
        started_at=NOON,
        opened_at=at(0),
        ended_at=None if ended is None else at(ended),
        ended_by=EndedBy.NOBODY if ended is None else by,
        end_known_at=None if ended is None else at(ended if known is None else known),
    )


def spell(trouble: Trouble, start: float, end: float | None = None, relisted: float | None = None) -> Spell:
    """Trouble in minutes after noon."""
    return Spell(
        trouble=trouble,
        started_at=at(start),
        ended_at=None if end is None else at(end),
        relisted_at=None if relisted is None else at(relisted),
    )


SILENT = Trouble.CLUSTER_SILENT
NOT_READY = Trouble.NODE_NOT_READY

TABLE: dict[str, tuple[Run, list[Spell], list[SeenAgain], float, list[tuple[str, float, float | None, str]]]] = {
    "runs": (run(ended=None), [], [], 30, [("metered", 0, None, "")]),
    "ended": (run(), [], [], 90, [("metered", 0, 60, "")]),
    "ended within its first second": (run(ended=0), [], [], 90, []),
    "stopped while provisioning": (run(ended=-1, by=EndedBy.CUSTOMER), [], [], 90, []),
    "failed start": (run(ended=2, by=EndedBy.FAILED_START), [], [], 90, [("excused", 0, 2, "failed_start")]),
    "node not ready and back": (
        run(), [spell(NOT_READY, 20, 30)], [], 90,
        [("metered", 0, 20, ""), ("excused", 20, 30, "node_not_ready"), ("metered", 30, 60, "")],
    ),
    "node not ready, still": (
        run(ended=None), [spell(NOT_READY, 20)], [], 30, [("metered", 0, 20, ""), ("excused", 20, None, "node_not_ready")],
    ),
    "node lost until the pod was evicted": (
        run(ended=25), [spell(Trouble.NODE_LOST, 20)], [], 90, [("metered", 0, 20, ""), ("excused", 20, 25, "node_lost")],
    ),
    "maintenance": (
        run(), [spell(Trouble.MAINTENANCE, 10, 20)], [], 90,
        [("metered", 0, 10, ""), ("excused", 10, 20, "maintenance"), ("metered", 20, 60, "")],
    ),
    "site outage beside a node that is not ready: the weightier names the reason": (
        run(), [spell(Trouble.SITE_OUTAGE, 10, 30), spell(NOT_READY, 20, 40)], [], 90,
        [
            ("metered", 0, 10, ""), ("excused", 10, 20, "site_outage"), ("excused", 20, 40, "node_not_ready"),
            ("metered", 40, 60, ""),
        ],
    ),
    "cluster silent": (
        run(ended=None), [spell(SILENT, 20)], [], 30, [("metered", 0, 20, ""), ("unknown", 20, None, "cluster_silent")],
    ),
    "cluster answers, pods not listed yet": (
        run(ended=None), [spell(SILENT, 20, 30)], [], 31,
        [("metered", 0, 20, ""), ("unknown", 20, 30, "cluster_silent"), ("metered", 30, None, "")],
    ),
    "the same UID and startedAt return": (
        run(ended=None), [spell(SILENT, 20, 30, 31)], [SeenAgain(seen_at=at(31))], 32, [("metered", 0, None, "")],
    ),
    "the same UID returns with a later start": (
        run(ended=None), [spell(SILENT, 20, 30, 31)], [SeenAgain(seen_at=at(31), running_since=at(25))], 32,
        [("metered", 0, 20, ""), ("excused", 20, 25, "restarted_unseen"), ("metered", 25, None, "")],
    ),
    "the pod does not return": (
        run(ended=20, by=EndedBy.VANISHED, known=31), [spell(SILENT, 20, 30, 31)], [], 32,
        [("metered", 0, 20, ""), ("excused", 20, 31, "pod_vanished")],
    ),
    "the pod was last seen before the silence": (
        run(ended=19, by=EndedBy.VANISHED, known=31), [spell(SILENT, 20, 30, 31)], [], 32,
        [("metered", 0, 19, ""), ("excused", 19, 31, "pod_vanished")],
    ),
    "the pod ended in the silence and says when": (
        run(ended=25, known=31), [spell(SILENT, 20, 30, 31)], [], 32, [("metered", 0, 25, "")],
    ),
    "stopped in the silence, the cluster is still silent": (
        run(ended=25, by=EndedBy.CUSTOMER), [spell(SILENT, 20)], [], 30,
        [("metered", 0, 20, ""), ("unknown", 20, 25, "cluster_silent")],
    ),
    "stopped in the silence, the pod was still there afterwards": (
        run(ended=25, by=EndedBy.CUSTOMER), [spell(SILENT, 20, 30, 31)], [SeenAgain(seen_at=at(31))], 32,
        [("metered", 0, 25, "")],
    ),
    "stopped in the silence, the pod was not there afterwards": (
        run(ended=25, by=EndedBy.CUSTOMER), [spell(SILENT, 20, 30, 31)], [], 32,
        [("metered", 0, 20, ""), ("excused", 20, 25, "pod_vanished")],
    ),
    "the provider states that it ran": (
        run(ended=25, by=EndedBy.CUSTOMER), [spell(SILENT, 20), spell(Trouble.STATED_UP, 0, 60)], [], 30,
        [("metered", 0, 25, "")],
    ),
    "the provider states that the site was down": (
        run(ended=None), [spell(SILENT, 20, 30), spell(Trouble.SITE_OUTAGE, 15, 30)], [], 31,
        [("metered", 0, 15, ""), ("excused", 15, 30, "site_outage"), ("metered", 30, None, "")],
    ),
    "silent beside a node that was not ready before": (
        run(ended=None), [spell(NOT_READY, 15, 25), spell(SILENT, 20)], [], 30,
        [("metered", 0, 15, ""), ("excused", 15, 25, "node_not_ready"), ("unknown", 25, None, "cluster_silent")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_worked_table(name: str) -> None:
    """Each row of billing/README.md."""
    given_run, spells, seen, now, expected = TABLE[name]
    found = classify(run=given_run, spells=spells, seen=seen, now=at(now))
    assert found == [
        Part(started_at=at(start), ended_at=None if end is None else at(end), kind=Kind(kind), cause=Cause(cause))
        for kind, start, end, cause in expected
    ]


def test_what_is_unknown_on_the_fifth_becomes_excused() -> None:
    """November is decided on 5 December, 00:00 in Seoul, and not a second before."""
    deadline = datetime(2026, 12, 5, tzinfo=KST)
    assert resolution_deadline(date(2026, 11, 1)) == deadline
    silence = [spell(SILENT, 20, 30)]
    stopped = run(by=EndedBy.CUSTOMER)
    before = classify(run=stopped, spells=silence, seen=[], now=deadline - timedelta(seconds=1))
    after = classify(run=stopped, spells=silence, seen=[], now=deadline)
    assert [(part.kind, part.cause) for part in before] == [
        (Kind.METERED, ""), (Kind.UNKNOWN, "cluster_silent"), (Kind.METERED, ""),
    ]  # fmt: skip
    assert [(part.kind, part.cause) for part in after] == [
        (Kind.METERED, ""), (Kind.EXCUSED, "unresolved"), (Kind.METERED, ""),
    ]  # fmt: skip
    evidence = [SeenAgain(seen_at=deadline + timedelta(days=3))]
    late = classify(run=stopped, spells=silence, seen=evidence, now=deadline + timedelta(days=3))
    assert [(part.kind, part.ended_at) for part in late] == [(Kind.METERED, at(60))]


def test_a_run_is_cut_at_midnight_in_seoul_when_the_month_is_over() -> None:
    """Ten minutes of November, then December; before midnight there is nothing to cut."""
    midnight = datetime(2026, 12, 1, tzinfo=KST)
    long = Run(started_at=midnight - timedelta(minutes=10), opened_at=midnight)
    cut = classify(run=long, spells=[], seen=[], now=midnight + timedelta(seconds=1))
    assert [(part.started_at, part.ended_at) for part in cut] == [
        (midnight - timedelta(minutes=10), midnight),
        (midnight, None),
    ]
    assert len(classify(run=long, spells=[], seen=[], now=midnight - timedelta(seconds=1))) == 1


def test_every_meter_has_a_unit_and_egress_does_not_grow_with_time() -> None:
    """GiB-seconds for a volume, bytes for egress."""
    assert set(METERS) == set(Meter)
    assert amount_of(meter=Meter.VOLUME, quantity=100, seconds=3_600) == 360_000
    assert amount_of(meter=Meter.EGRESS, quantity=5_000_000_000, seconds=3_600) == 5_000_000_000


instants = st.integers(-40 * 86_400, 80 * 86_400).map(lambda seconds: NOON + timedelta(seconds=seconds))
fractional = st.builds(
    lambda instant, micro: instant + timedelta(microseconds=micro), instants, st.integers(0, 999_999)
)


@st.composite
def spell_lists(draw: st.DrawFn) -> list[Spell]:
    """Any troubles; silences of one cluster do not overlap."""
    found: list[Spell] = []
    for trouble in draw(st.lists(st.sampled_from([t for t in Trouble if t is not SILENT]), max_size=5)):
        start = draw(fractional)
        end = draw(st.none() | st.integers(0, 20 * 86_400_000).map(lambda ms: start + timedelta(milliseconds=ms)))  # noqa: B023 - used at once
        found.append(Spell(trouble=trouble, started_at=start, ended_at=end))
    edges = sorted(draw(st.lists(fractional, max_size=6, unique=True)))
    for start, end in zip(edges[::2], edges[1::2], strict=False):
        relisted = draw(st.sampled_from([None, end + timedelta(seconds=3)]))
        found.append(Spell(trouble=SILENT, started_at=start, ended_at=end, relisted_at=relisted))
    return found


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Any run whose ends are floored, as they are where they are observed."""
    start = draw(instants)
    end = draw(st.none() | instants)
    opened = start + timedelta(seconds=draw(st.integers(0, 86_400)))
    if end is None:
        return Run(started_at=start, opened_at=opened)
    by = draw(st.sampled_from([item for item in EndedBy if item is not EndedBy.NOBODY]))
    known = end + timedelta(milliseconds=draw(st.integers(0, 30 * 86_400_000)))
    return Run(started_at=start, opened_at=opened, ended_at=end, ended_by=by, end_known_at=known)


seen_lists = st.lists(st.builds(SeenAgain, seen_at=fractional, running_since=st.none() | fractional), max_size=4)


def last_of(given_run: Run) -> datetime | None:
    """Where the parts of a run end."""
    if given_run.ended_by is EndedBy.VANISHED and given_run.end_known_at and given_run.ended_at:
        return max(given_run.ended_at, given_run.end_known_at.replace(microsecond=0))
    return given_run.ended_at


@settings(max_examples=150, deadline=None)
@given(given_run=runs(), spells=spell_lists(), seen=seen_lists, now=instants)
def test_parts_fill_the_run_exactly(given_run: Run, spells: list[Spell], seen: list[SeenAgain], now: datetime) -> None:
    """No gap, no overlap, no negative length, whole seconds; at most the last is open, and only while the run goes on."""
    parts = classify(run=given_run, spells=spells, seen=seen, now=now)
    last = last_of(given_run)
    if last is not None and last <= given_run.started_at:
        assert parts == []
        return
    assert parts[0].started_at == given_run.started_at
    assert parts[-1].ended_at == last
    for before, after in pairwise(parts):
        assert before.ended_at == after.started_at
        assert before.ended_at is not None
        assert before.started_at < before.ended_at
        assert before.started_at.microsecond == before.ended_at.microsecond == 0
    if last is not None:
        total = sum(seconds_between(start=part.started_at, end=part.ended_at or last) for part in parts)
        assert total == seconds_between(start=given_run.started_at, end=last)


@settings(max_examples=100, deadline=None)
@given(given_run=runs(), spells=spell_lists(), seen=seen_lists, now=instants, data=st.data())
def test_order_and_repetition_of_evidence_do_not_matter(
    given_run: Run, spells: list[Spell], seen: list[SeenAgain], now: datetime, data: st.DataObject
) -> None:
    """Shuffled and doubled evidence gives the same parts."""
    once = classify(run=given_run, spells=spells, seen=seen, now=now)
    again = classify(
        run=given_run,
        spells=data.draw(st.permutations([*spells, *spells[:2]])),
        seen=data.draw(st.permutations([*seen, *seen[:1]])),
        now=now,
    )
    assert once == again


@settings(max_examples=100, deadline=None)
@given(given_run=runs(), spells=spell_lists(), seen=seen_lists, now=instants, cuts=st.lists(instants, max_size=8))
def test_cutting_parts_anywhere_changes_no_second(
    given_run: Run, spells: list[Spell], seen: list[SeenAgain], now: datetime, cuts: list[datetime]
) -> None:
    """Additivity: seconds of each verdict are those of the whole."""
    parts = classify(run=given_run, spells=spells, seen=seen, now=now)
    assert seconds_by_verdict(cut_parts(parts=parts, at=cuts)) == seconds_by_verdict(parts)


@settings(max_examples=100, deadline=None)
@given(given_run=runs(), spells=spell_lists(), seen=seen_lists, now=instants)
def test_nothing_of_a_known_fault_or_of_silence_without_evidence_is_metered(
    given_run: Run, spells: list[Spell], seen: list[SeenAgain], now: datetime
) -> None:
    """A second within a node's, site's or maintenance's trouble is excused; an unresolved silence is never metered."""
    excusing = {Trouble.NODE_LOST, NOT_READY, Trouble.SITE_OUTAGE, Trouble.MAINTENANCE}
    floored = [
        Spell(
            trouble=item.trouble,
            started_at=item.started_at.replace(microsecond=0),
            ended_at=item.ended_at.replace(microsecond=0) if item.ended_at else None,
        )
        for item in spells
    ]
    for part in classify(run=given_run, spells=spells, seen=seen, now=now):
        inside = {item.trouble for item in floored if item.covers(part.started_at)}
        if inside & excusing:
            assert part.kind is Kind.EXCUSED
        if part.kind is Kind.UNKNOWN:
            assert SILENT in inside
            assert now < resolution_deadline(part.started_at.astimezone(KST).date().replace(day=1))


def seconds_by_verdict(parts: list[Part]) -> Counter[tuple[Kind, Cause]]:
    """Whole seconds of the closed parts by verdict."""
    found: Counter[tuple[Kind, Cause]] = Counter()
    for part in parts:
        if part.ended_at is not None:
            found[part.kind, part.cause] += seconds_between(start=part.started_at, end=part.ended_at)
        else:
            found[part.kind, part.cause] += seconds_between(start=part.started_at, end=NOON + timedelta(days=9_999))
    return found

"""The tree as plain data: who stands above whom, what holds when, what conflicts."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.quotas.tree import (
    Level,
    Line,
    Period,
    find_conflict,
    find_overlap,
    limit_at,
    lowest_over,
    stands_above,
)

START = datetime(2026, 12, 1, tzinfo=UTC)
TENANT, PROJECT, OTHER, MEMBER = (UUID(int=number) for number in range(1, 5))
KINDS = {"nvidia-h200": "gpu", "furiosa-rngd": "npu"}


def line(level: Level, limit: int | None, *, accelerator: str = "", kind: str = "", **changes: object) -> Line:
    """A line of the path, by default of the level's usual owner."""
    owner = {Level.TENANT: TENANT, Level.PROJECT: PROJECT, Level.MEMBER: MEMBER}.get(level)
    values = {
        "level": level, "owner_id": owner, "base": limit, "accelerator": accelerator,
        "kind": kind or KINDS.get(accelerator, ""), **changes,
    }  # fmt: skip
    return Line(**values)  # type: ignore[arg-type]


def period(limit: int, start: int, end: int) -> Period:
    """A period in days after the first of December."""
    return Period(limit=limit, starts_at=START + timedelta(days=start), ends_at=START + timedelta(days=end))


@pytest.mark.parametrize(
    ("upper", "lower", "expected"),
    [
        (line(Level.PLATFORM, 9), line(Level.TENANT, 1), True),
        (line(Level.SECTOR, 9, kind="gpu"), line(Level.TENANT, 1, accelerator="nvidia-h200"), True),
        (line(Level.SECTOR, 9, kind="gpu"), line(Level.TENANT, 1, accelerator="furiosa-rngd"), False),
        (line(Level.SECTOR, 9, accelerator="nvidia-h200"), line(Level.TENANT, 1, kind="gpu"), False),
        (line(Level.TENANT, 9), line(Level.PROJECT, 1, meter="instances"), False),
        (line(Level.TENANT, 9), line(Level.MEMBER, 1), True),
        (line(Level.PROJECT, 9), line(Level.MEMBER, 1), False),
        (line(Level.PROJECT, 9), line(Level.MEMBER, 1, project_id=PROJECT), True),
        (line(Level.PROJECT, 9), line(Level.MEMBER, 1, project_id=OTHER), False),
        (line(Level.PROJECT, 9), line(Level.TENANT, 1), False),
        (line(Level.TENANT, 9), line(Level.TENANT, 1, kind="gpu"), False),
    ],
)
def test_a_limit_stands_above_what_it_counts_too(upper: Line, lower: Line, expected: bool) -> None:
    assert stands_above(upper, lower) is expected


def test_the_limit_in_force_follows_the_periods() -> None:
    """Half-open: the first instant belongs to the period, the last does not."""
    periods = [period(8, 10, 20), period(4, 20, 30)]
    day = timedelta(days=1)
    assert limit_at(base=2, periods=periods, now=START) == (2, START + 10 * day)
    assert limit_at(base=2, periods=periods, now=START + 10 * day) == (8, START + 20 * day)
    assert limit_at(base=2, periods=periods, now=START + 20 * day) == (4, START + 30 * day)
    assert limit_at(base=2, periods=periods, now=START + 30 * day) == (2, None)


def test_the_lowest_limit_over_a_window_leaves_out_what_periods_replace() -> None:
    whole = line(Level.TENANT, 2, periods=(period(8, 0, 10), period(5, 10, 20)))
    assert lowest_over(whole, starts_at=START, ends_at=START + timedelta(days=20)) == 5
    assert lowest_over(whole, starts_at=START, ends_at=START + timedelta(days=21)) == 2
    assert lowest_over(line(Level.SECTOR, None), starts_at=START, ends_at=START + timedelta(days=1)) is None


def test_an_edit_conflicts_upwards_and_downwards() -> None:
    sector, tenant, project = line(Level.SECTOR, 10), line(Level.TENANT, 8), line(Level.PROJECT, 6)
    path = [sector, tenant, project]
    assert find_conflict(edited=line(Level.TENANT, 10), others=path) is None
    above = find_conflict(edited=line(Level.TENANT, 11), others=path)
    assert above is not None
    assert (above.upper.level, above.lower_limit, above.upper_limit) == (Level.SECTOR, 11, 10)
    below = find_conflict(edited=line(Level.TENANT, 5), others=path)
    assert below is not None
    assert (below.lower.level, below.lower_limit, below.upper_limit) == (Level.PROJECT, 6, 5)


def test_a_period_is_compared_with_what_holds_above_during_it() -> None:
    tenant = line(Level.TENANT, 8, periods=(period(12, 0, 10),))
    fits = line(Level.PROJECT, 8, periods=(period(12, 2, 8),))
    outlives = line(Level.PROJECT, 8, periods=(period(12, 2, 12),))
    assert find_conflict(edited=fits, others=[tenant]) is None
    conflict = find_conflict(edited=outlives, others=[tenant])
    assert conflict is not None
    assert (conflict.lower_limit, conflict.upper_limit) == (12, 8)


def test_periods_that_touch_do_not_overlap() -> None:
    assert find_overlap([period(1, 0, 10), period(1, 10, 20)]) is None
    assert find_overlap([period(1, 10, 20), period(1, 0, 11)]) is not None


@given(
    base=st.integers(0, 50),
    cuts=st.lists(st.integers(0, 60), unique=True, max_size=8),
    limits=st.lists(st.integers(0, 50), min_size=4, max_size=4),
)
def test_the_limit_at_every_day_is_the_periods_or_the_permanent_one(
    base: int, cuts: list[int], limits: list[int]
) -> None:
    """An independent look: day by day."""
    ordered = sorted(cuts)
    periods = [period(limits[i // 2], ordered[i], ordered[i + 1]) for i in range(0, len(ordered) - 1, 2)]
    for day in range(61):
        at = START + timedelta(days=day)
        holding = [item.limit for item in periods if item.starts_at <= at < item.ends_at]
        limit, changes_at = limit_at(base=base, periods=periods, now=at)
        assert limit == (holding[0] if holding else base)
        if changes_at is not None:
            assert changes_at > at
            assert limit_at(base=base, periods=periods, now=changes_at - timedelta(seconds=1))[0] == limit

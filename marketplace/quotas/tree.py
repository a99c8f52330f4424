"""The quota tree as plain data: who stands above whom, which limit holds when, and what a new limit would break. Pure.

platform → sector → organization → project → member. A limit stands above another when it is higher on the same path, counts the
same meter, and counts at least everything that the other counts: any ⊇ a kind ⊇ an accelerator of that kind.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from itertools import pairwise
from uuid import UUID


class Level(IntEnum):
    """Levels of the tree, from the top."""

    PLATFORM = 0
    SECTOR = 1
    TENANT = 2
    PROJECT = 3
    MEMBER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Another limit in the half-open [starts_at, ends_at)."""

    limit: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One limit of the tree, on the path of one tenant.

    Attributes:
        owner_id: The tenant, project or user; None for platform and sector, of which a path has one each.
        project_id: For a member, the project in which the limit counts; None = in all.
        kind: Kind of the accelerator that `selector` names, or the kind itself; empty for any.
        base: The permanent limit; None = only periods are limited.
    """

    level: Level
    owner_id: UUID | None
    project_id: UUID | None = None
    accelerator: str = ""
    kind: str = ""
    meter: str = "devices"
    base: int | None
    periods: tuple[Period, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it the same line."""
        return self.level, self.owner_id, self.project_id, self.accelerator, self.kind, self.meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A limit that would be above the one above it.

    Attributes:
        upper_limit: What the upper one allows then.
        lower_limit: What the lower one would allow.
    """

    upper: Line
    lower: Line
    upper_limit: int
    lower_limit: int


def counts_all_of(upper: Line, lower: Line) -> bool:
    """Whether everything that `lower` counts is also counted by `upper`."""
    if upper.meter != lower.meter:
        return False
    if upper.accelerator:
        return upper.accelerator == lower.accelerator
    return not upper.kind or upper.kind == lower.kind


def stands_above(upper: Line, lower: Line) -> bool:
    """Whether `upper` limits `lower` too; both are on the path of one tenant."""
    if upper.level >= lower.level or not counts_all_of(upper, lower):
        return False
    return upper.level is not Level.PROJECT or upper.owner_id == lower.project_id


def limit_at(*, base: int, periods: Iterable[Period], now: datetime) -> tuple[int, datetime | None]:
    """The limit in force at `now`, and when it next changes; None = never."""
    known = sorted(periods, key=lambda period: period.starts_at)
    limit = next((period.limit for period in known if period.starts_at <= now < period.ends_at), base)
    changes = [instant for period in known for instant in (period.starts_at, period.ends_at) if instant > now]
    return limit, min(changes, default=None)


def lowest_over(line: Line, *, starts_at: datetime, ends_at: datetime) -> int | None:
    """The lowest limit of a line at any instant of [starts_at, ends_at); None where it limits nothing."""
    inside = [period for period in line.periods if period.starts_at < ends_at and starts_at < period.ends_at]
    limits = [period.limit for period in inside]
    if line.base is not None and not _is_covered(inside, starts_at=starts_at, ends_at=ends_at):
        limits.append(line.base)
    return min(limits, default=None)


def _is_covered(periods: Sequence[Period], *, starts_at: datetime, ends_at: datetime) -> bool:
    reached = starts_at
    for period in sorted(periods, key=lambda item: item.starts_at):
        if period.starts_at > reached:
            return False
        reached = max(reached, period.ends_at)
    return reached >= ends_at


def find_conflict(*, edited: Line, others: Iterable[Line]) -> Conflict | None:
    """The first pair in which the edited line, or one below it, would allow more than the one above.

    A permanent limit is compared with the permanent one above it, a period's with the lowest that holds above during it.
    """
    for other in others:
        if other.key == edited.key:
            continue
        if stands_above(other, edited):
            found = _compare(other, edited)
        elif stands_above(edited, other):
            found = _compare(edited, other)
        else:
            continue
        if found is not None:
            return found
    return None


def _compare(upper: Line, lower: Line) -> Conflict | None:
    if upper.base is not None and lower.base is not None and lower.base > upper.base:
        return Conflict(upper=upper, lower=lower, upper_limit=upper.base, lower_limit=lower.base)
    for period in lower.periods:
        allowed = lowest_over(upper, starts_at=period.starts_at, ends_at=period.ends_at)
        if allowed is not None and period.limit > allowed:
            return Conflict(upper=upper, lower=lower, upper_limit=allowed, lower_limit=period.limit)
    return None


def find_overlap(periods: Sequence[Period]) -> tuple[Period, Period] | None:
    """Two periods that share an instant; None when there are none."""
    ordered = sorted(periods, key=lambda period: period.starts_at)
    return next((pair for pair in pairwise(ordered) if pair[1].starts_at < pair[0].ends_at), None)


def kind_of(*, selector_kind: str, selector: str, kinds: Mapping[str, str]) -> tuple[str, str]:
    """(accelerator, kind) of a selector; `kinds` is the catalogue's kind by accelerator code."""
    if selector_kind == "accelerator":
        return selector, kinds.get(selector, "")
    return "", selector if selector_kind == "kind" else ""

"""Driver, firmware and runtime versions as a filter: `>=580.65,<590`. Pure.

A version is compared part by part, numbers as numbers: 580.105 is newer than 580.95. A part that one version lacks is older than
any number, so 580 is older than 580.0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

COMPONENTS: Final = ("driver", "firmware", "runtime")
BOUNDS_MAX: Final = 4
_BOUND: Final = re.compile(r"(>=|<=|==|>|<)?\s*([0-9A-Za-z][0-9A-Za-z.+_-]{0,58})")
_PART: Final = re.compile(r"[0-9]+|[A-Za-z]+")


class RangeMalformed(ValueError):
    """Not a version range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRange:
    """Bounds that all hold.

    Attributes:
        bounds: (operator, version); `=` alone means the version itself or a more exact form of it: 580 takes 580.95.
    """

    text: str
    bounds: tuple[tuple[str, str], ...]

    def takes(self, version: str) -> bool:
        """Whether the version lies within; an unknown one ("") never does."""
        return bool(version) and all(_holds(operator, version, wanted) for operator, wanted in self.bounds)


def parse_range(text: str) -> VersionRange:
    """Read `>=580.65,<590`, `==580.95.05` or `580`.

    Raises:
        RangeMalformed: Names what cannot be read.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > BOUNDS_MAX:
        message = f"at most {BOUNDS_MAX} bounds"
        raise RangeMalformed(message)
    bounds = []
    for part in parts:
        match = _BOUND.fullmatch(part)
        if match is None:
            raise RangeMalformed(part)
        bounds.append((match.group(1) or "=", match.group(2)))
    return VersionRange(text=text, bounds=tuple(bounds))


def read_ranges(versions: Mapping[str, str]) -> tuple[tuple[str, VersionRange], ...]:
    """Component and range of a stored filter, in order.

    Raises:
        RangeMalformed: An unknown component or a range that cannot be read.
    """
    unknown = sorted(set(versions) - set(COMPONENTS))
    if unknown:
        raise RangeMalformed(unknown[0])
    return tuple((name, parse_range(versions[name])) for name in COMPONENTS if versions.get(name))


def _holds(operator: str, version: str, wanted: str) -> bool:
    left, right = _key(version), _key(wanted)
    if operator == "=":
        return left[: len(right)] == right
    return {
        ">=": left >= right,
        "<=": left <= right,
        "==": left == right,
        ">": left > right,
        "<": left < right,
    }[operator]


@lru_cache(maxsize=4_096)
def _key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers after letters of the same place, as 1.0 is newer than 1.rc."""
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in _PART.findall(version))

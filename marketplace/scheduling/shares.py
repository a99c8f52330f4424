"""What sectors and the platform may have at once, as the admitter counts it. Pure.

No row carries these counts: one admitter at a time adds up the live allocations and then what it places itself. Releases only
make the sums smaller, so what was read is never too little.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

Use = tuple[int, int]
"""Devices and instances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLimit:
    """A share in force.

    Attributes:
        sector: Empty for the platform.
        accelerator, kind: What is counted; both empty = any.
        meter: `devices` or `instances`.
        is_hard: Else it only warns.
    """

    share_id: UUID
    sector: str
    accelerator: str = ""
    kind: str = ""
    meter: str = "devices"
    limit: int
    is_hard: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A share without room for a request."""

    limit: ShareLimit
    used: int
    asked: int

    def facts(self) -> Mapping[str, int | str]:
        """The numbers of its sentence."""
        limit = self.limit
        return {
            "sector": limit.sector, "selector": limit.accelerator or limit.kind or "any", "meter": limit.meter,
            "limit": limit.limit, "used": self.used, "asked": self.asked,
        }  # fmt: skip


class ShareBook:
    """Shares with what is used of each; kept true while a pass places."""

    def __init__(
        self,
        *,
        limits: Sequence[ShareLimit],
        used: Mapping[tuple[str, str], Use],
        kinds: Mapping[str, str],
    ) -> None:
        """Add up.

        Args:
            used: Live allocations by (sector, accelerator).
            kinds: Kind by accelerator.
        """
        self._limits = limits
        self._kinds = kinds
        self._used: defaultdict[UUID, int] = defaultdict(int)
        for (sector, accelerator), (devices, instances) in used.items():
            self._add(sector=sector, accelerator=accelerator, devices=devices, instances=instances)

    @property
    def has_limits(self) -> bool:
        """Whether anything is limited."""
        return bool(self._limits)

    def find_exhausted(self, *, sector: str, accelerators: Iterable[str], devices: int) -> Mapping[str, Shortage]:
        """For each accelerator that the request may not have now, the share without room; the sector's before the platform's."""
        if not self._limits:
            return {}
        found: dict[str, Shortage] = {}
        for accelerator in accelerators:
            for limit in self._counting(sector=sector, accelerator=accelerator):
                asked = devices if limit.meter == "devices" else 1
                used = self._used[limit.share_id]
                if limit.is_hard and used + asked > limit.limit:
                    found[accelerator] = Shortage(limit=limit, used=used, asked=asked)
                    break
        return found

    def describe(self) -> list[dict[str, Any]]:
        """The shares with what is used of each, as plain data that `read_described` makes a book of again."""
        return [
            {**asdict(limit), "share_id": str(limit.share_id), "used": self._used[limit.share_id]}
            for limit in self._limits
        ]

    def take(self, *, sector: str, accelerator: str, devices: int) -> None:
        """Count one placed instance."""
        self._add(sector=sector, accelerator=accelerator, devices=devices, instances=1)

    def count(self, *, share_id: UUID, used: int) -> None:
        """Say what is used of a share."""
        self._used[share_id] = used

    def used_of(self, *, share_id: UUID) -> int:
        """What is used of a share, in its meter."""
        return self._used[share_id]

    def list_soft(self) -> Sequence[ShareLimit]:
        """The shares that only warn."""
        return [limit for limit in self._limits if not limit.is_hard]

    def _counting(self, *, sector: str, accelerator: str) -> list[ShareLimit]:
        kind = self._kinds.get(accelerator, "")
        counting = [
            limit
            for limit in self._limits
            if limit.sector in {"", sector} and limit.accelerator in {"", accelerator} and limit.kind in {"", kind}
        ]
        return sorted(counting, key=lambda limit: not limit.sector)

    def _add(self, *, sector: str, accelerator: str, devices: int, instances: int) -> None:
        for limit in self._counting(sector=sector, accelerator=accelerator):
            self._used[limit.share_id] += devices if limit.meter == "devices" else instances


def read_described(rows: Sequence[Mapping[str, Any]], *, kinds: Mapping[str, str]) -> ShareBook:
    """A book from what another process described."""
    limits = [
        ShareLimit(
            **{name: value for name, value in row.items() if name not in ("share_id", "used")},
            share_id=UUID(row["share_id"]),
        )
        for row in rows
    ]
    book = ShareBook(limits=limits, used={}, kinds=kinds)
    for limit, row in zip(limits, rows, strict=True):
        book.count(share_id=limit.share_id, used=int(row["used"]))
    return book

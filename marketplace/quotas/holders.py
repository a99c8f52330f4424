"""Who holds quota now, read from what holds it: instances, later volumes.

Quotas stand below what holds them, so those apps name their reader here when they are set up. It is asked when a limit is set for
the first time, so that what already runs counts, and by the nightly check.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaDemand:
    """What an intent asks of the quotas.

    Attributes:
        user_id: The person whose limits it counts against; None for an API key, which is its project's.
        accelerators: Codes that the request may be placed on; each one's quota must have room, since any may be chosen.
        kinds: Their kinds (gpu, npu).
        devices: Over all nodes; 0 for a volume.
    """

    tenant_id: UUID
    project_id: UUID
    user_id: UUID | None
    accelerators: frozenset[str]
    kinds: frozenset[str]
    devices: int
    storage_gib: int = 0

    @property
    def instances(self) -> int:
        """One where it asks for devices."""
        return 1 if self.devices else 0


ReadHolders = Callable[[UUID], Mapping[UUID, QuotaDemand]]
"""Tenant id → demand by holder, with every holder's row locked until the open transaction ends."""

_READERS: Final[dict[str, ReadHolders]] = {}


def register_holders(*, name: str, read: ReadHolders) -> None:
    """Name the reader of one kind of holder; called once at start-up, by the app that owns them."""
    _READERS[name] = read


def lock_live_demands(*, tenant_id: UUID) -> Iterator[tuple[UUID, QuotaDemand]]:
    """Every live holder of a tenant with what it asked for. Locks the holders' rows, by id within each kind."""
    for name in sorted(_READERS):
        yield from _READERS[name](tenant_id).items()

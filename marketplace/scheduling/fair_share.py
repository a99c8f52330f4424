"""Who is next? Tenants share by what they used lately; within a tenant its own priorities, then the time of asking.

What was used counts in weighted device-seconds (devices × weight × seconds; the weight is the accelerator's price) and halves
every `half_life_s`. Starting something costs `entry_s` seconds at once, so that a burst does not look unused while it starts.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from marketplace.scheduling.placement import Request

HALF_LIFE_S: Final = 7 * 86_400.0
ENTRY_S: Final = 900.0
ASSUMED_S: Final = 3_600.0
"""What a waiting request counts while the queue is put in order."""
HALF_LIVES_MAX: Final = 10
"""Use older than so many half-lives counts less than a thousandth and is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request in the queue.

    Attributes:
        priority: The tenant's own; higher first, compared only within the tenant.
        weight: Of one device, by price.
        reserved_since_s: Since when devices are kept for it; such a request stays in front until it starts.
    """

    request: Request
    tenant_id: UUID
    queued_at_s: float
    priority: int = 0
    weight: float = 1.0
    max_duration_s: float | None = None
    reserved_since_s: float | None = None

    @property
    def rate(self) -> float:
        """Weighted devices."""
        return self.request.devices * self.request.nodes * self.weight


@dataclass(slots=True)
class _Account:
    used: float = 0.0
    rate: float = 0.0
    at_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class FairUsage:
    """Each tenant's decayed use, kept by starts and ends; times never run backwards."""

    half_life_s: float = HALF_LIFE_S
    entry_s: float = ENTRY_S
    _accounts: defaultdict[UUID, _Account] = field(default_factory=lambda: defaultdict(_Account))

    def start(self, *, tenant_id: UUID, rate: float, now_s: float) -> None:
        """Weighted devices begin to be used."""
        account = self._settle(tenant_id, now_s)
        account.rate += rate
        account.used += rate * self.entry_s

    def end(self, *, tenant_id: UUID, rate: float, now_s: float) -> None:
        """They are given back."""
        self._settle(tenant_id, now_s).rate -= rate

    def read(self, *, now_s: float) -> Mapping[UUID, float]:
        """Each tenant's use at `now_s`."""
        return {tenant_id: self._settle(tenant_id, now_s).used for tenant_id in list(self._accounts)}

    def _settle(self, tenant_id: UUID, now_s: float) -> _Account:
        account = self._accounts[tenant_id]
        elapsed = now_s - account.at_s
        if elapsed > 0:
            left = 0.5 ** (elapsed / self.half_life_s)
            account.used = account.used * left + account.rate * self.half_life_s / math.log(2) * (1 - left)
            account.at_s = now_s
        return account


def fair_order(
    *, waiting: Iterable[Waiting], used: Mapping[UUID, float], shares: Mapping[UUID, float] | None = None
) -> Sequence[Waiting]:
    """The queue in the order in which it is looked at.

    First those with a reservation, in the order in which they got it; then, again and again, the next request of the tenant that
    used the least for its share, counting what this order already gave it.

    Args:
        used: Decayed use by tenant; a tenant not named used nothing.
        shares: Weight of each tenant; default 1.
    """
    queues: defaultdict[UUID, list[Waiting]] = defaultdict(list)
    reserved: list[Waiting] = []
    for item in waiting:
        (reserved if item.reserved_since_s is not None else queues[item.tenant_id]).append(item)
    ordered = sorted(reserved, key=lambda item: (item.reserved_since_s or 0.0, str(item.request.instance_id)))
    counted: defaultdict[UUID, float] = defaultdict(float, used)
    for item in ordered:
        counted[item.tenant_id] += _assumed(item)
    heap: list[tuple[float, float, str, UUID]] = []
    for tenant_id, items in queues.items():
        items.sort(key=lambda item: (item.priority, -item.queued_at_s, str(item.request.instance_id)))
        heap.append(_entry(tenant_id, items[-1], counted, shares))
    heapq.heapify(heap)
    while heap:
        tenant_id = heapq.heappop(heap)[3]
        item = queues[tenant_id].pop()
        ordered.append(item)
        counted[tenant_id] += _assumed(item)
        if queues[tenant_id]:
            heapq.heappush(heap, _entry(tenant_id, queues[tenant_id][-1], counted, shares))
    return ordered


def _entry(
    tenant_id: UUID, item: Waiting, counted: Mapping[UUID, float], shares: Mapping[UUID, float] | None
) -> tuple[float, float, str, UUID]:
    share = (shares or {}).get(tenant_id, 1.0)
    return counted[tenant_id] / share, item.queued_at_s, str(item.request.instance_id), tenant_id


def _assumed(item: Waiting) -> float:
    return item.rate * min(item.max_duration_s or ASSUMED_S, ASSUMED_S)

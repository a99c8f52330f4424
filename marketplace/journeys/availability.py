"""What can a project have of an offer, and when? Asked of `scheduling.placement.choose`, the code that places, and of nothing else.

One read of the stock is shared by all requests of a process for as long as `settings.STOCK_SNAPSHOT_AGE` (a second): a band is
never older than that against the nodes' counters, and never older than `OUTLOOK_AGE_MAX` against what is held for those who wait.
Which nodes other organizations have to themselves is read anew each time, since it is another answer for everybody.
"""

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from marketplace.instances.queries import list_nodes_kept_by_others, list_nodes_with_others
from marketplace.instances.texts import explain_wait
from marketplace.inventory.models import Offer
from marketplace.journeys.outlook import OutlookRead, read_outlook
from marketplace.journeys.stock_view import read_stock
from marketplace.scheduling.availability import Availability, Band, find_span, tell_availability
from marketplace.scheduling.dedication import Dedication
from marketplace.scheduling.placement import Request, Terms, choose
from marketplace.scheduling.stock import StockView
from marketplace.scheduling.versions import VersionRange
from marketplace.scheduling.waiting import WaitReason, read_wait_facts


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One read of the stock with the look ahead, held as placement holds them.

    Attributes:
        told: What was answered for requests that do not depend on who asks; grows while the snapshot lives.
    """

    view: StockView
    outlook: OutlookRead
    taken_at: datetime
    told: dict[Hashable, Availability] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody would like to have.

    Attributes:
        needs_dedicated_node: As the project's data classes ask for.
    """

    tenant_id: UUID
    sector: str
    devices: int
    nodes: int = 1
    versions: tuple[tuple[str, VersionRange], ...] = ()
    max_duration_s: int | None = None
    needs_dedicated_node: bool = False

    @property
    def kind(self) -> Hashable:
        """What the answer depends on besides offer and organization."""
        ranges = tuple((name, wanted.text) for name, wanted in self.versions)
        return self.devices, self.nodes, ranges, self.max_duration_s, self.sector


NOBODY_YET: Final = UUID(int=1)
"""A request that is not made; holds, which name nobody (`outlook.NOBODY`), are never its own."""


class Market:
    """The stock as one organization sees it; for one request of a face."""

    def __init__(self, *, snapshot: Snapshot, asked: Asked, dedication: Dedication, now: datetime) -> None:
        """Look at `snapshot` as whoever asks; `dedication` = which nodes are others'."""
        self._snapshot, self._asked, self._dedication = snapshot, asked, dedication
        self._now_s = now.timestamp()

    def find(self, offer: Offer) -> Availability:
        """The band of an offer that the rules permit and that is open to whoever asks."""
        asked, view = self._asked, self._snapshot.view
        is_same_for_all = (
            self._dedication.is_empty
            and not asked.needs_dedicated_node
            and not any(pool.is_one_tenant for pool in view.by_offer.get(offer.id, ()))
        )
        key = (offer.id, asked.kind)
        if is_same_for_all and key in self._snapshot.told:
            return self._snapshot.told[key]
        found = self._ask(offer)
        if is_same_for_all:
            self._snapshot.told[key] = found
        return found

    def _ask(self, offer: Offer) -> Availability:
        asked, outlook = self._asked, self._snapshot.outlook
        terms = Terms(
            offer_id=offer.id, term_id=offer.id, price_micros_per_device_hour=0,
            cpu_millis_per_device=offer.cpu_millis_per_device, memory_mib_per_device=offer.memory_mib_per_device,
        )  # fmt: skip
        exhausted = outlook.shares.find_exhausted(
            sector=asked.sector, accelerators=[offer.accelerator.code], devices=asked.devices * asked.nodes
        )
        request = Request(
            instance_id=NOBODY_YET,
            devices=asked.devices,
            nodes=asked.nodes,
            terms={offer.id: terms},
            exhausted={code: shortage.facts() for code, shortage in exhausted.items()},
            ends_at_s=None if asked.max_duration_s is None else self._now_s + asked.max_duration_s,
            tenant_id=asked.tenant_id,
            needs_dedicated_node=asked.needs_dedicated_node,
            versions=asked.versions,
        )
        view = self._snapshot.view.narrowed(offer_id=offer.id, dedication=self._dedication)
        is_like_probed = asked.nodes == 1 and not asked.versions and not asked.needs_dedicated_node and not exhausted
        span = find_span(spans=outlook.spans, offer_id=offer.id, devices=asked.devices) if is_like_probed else None
        if span is not None and span.p50_s <= self._now_s:
            span = None
        return tell_availability(choice=choose(request=request, view=view), start=span)


def open_market(*, asked: Asked, now: datetime) -> Market:
    """The stock as whoever asks sees it. Requires the actor's open transaction; at most four queries."""
    kept = list_nodes_kept_by_others()
    occupied = list_nodes_with_others() if asked.needs_dedicated_node else ()
    dedication = Dedication.of_others(occupied=occupied, kept=kept)
    return Market(snapshot=take_snapshot(now=now), asked=asked, dedication=dedication, now=now)


_lock = threading.Lock()
_kept: dict[str, Snapshot] = {}


def take_snapshot(*, now: datetime) -> Snapshot:
    """The shared read, or a new one where that is too old. While one thread reads, others use what there is for one age more."""
    known = _kept.get("stock")
    age = settings.STOCK_SNAPSHOT_AGE
    if known is not None and _is_within(known, now, age):
        return known
    is_ours = _lock.acquire(blocking=known is None or not _is_within(known, now, age * 2))
    if not is_ours and known is not None:
        return known
    try:
        again = _kept.get("stock")
        if again is not None and again is not known and _is_within(again, now, age):
            return again
        _kept["stock"] = _read(now=now)
        return _kept["stock"]
    finally:
        _lock.release()


def _is_within(snapshot: Snapshot, now: datetime, age: timedelta) -> bool:
    return age > timedelta(0) and now - snapshot.taken_at < age


def _read(*, now: datetime) -> Snapshot:
    view = StockView(read_stock(now=now, silence=settings.CLUSTER_SILENCE))
    outlook = read_outlook(now=now)
    for stock_id, hold in outlook.holds.items():
        if stock_id in view.cells:
            view.set_hold(stock_id, hold)
    return Snapshot(view=view, outlook=outlook, taken_at=now)


@dataclass(frozen=True, slots=True)
class Words:
    """Why not now, and what helps; empty where there is nothing to say."""

    message: str = ""
    remedy: str = ""


def explain_availability(found: Availability, *, devices: int, nodes: int) -> Words:
    """The sentences, in the active language, that an instance which waits for the same reason shows."""
    if found.band is Band.RESERVATION:
        return Words(
            _("This offer is sold by reservation only."),
            _("Ask the operator for a reservation; your organization then gets a price of its own."),
        )
    if found.wait_reason is None:
        return Words()
    if found.wait_reason is WaitReason.REQUEST_TOO_LARGE and not any(item.node_count for item in found.rejected):
        most = max((int(item.facts.get("free", 0)) for item in found.rejected), default=0)
        if most:
            return Words(
                _("One instance can have at most %(most)s devices of this offer.") % {"most": most},
                _("Ask for fewer devices, or for several instances."),
            )
    facts = read_wait_facts(reason=found.wait_reason, rejected=found.rejected, devices=devices, nodes=nodes)
    message, remedy, _is_blocking = explain_wait(found.wait_reason.value, facts)
    return Words(message, remedy)

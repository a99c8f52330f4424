"""The look ahead for people who have not asked yet: what is held, what shares have left, when a request of each size would start.

One process computes it for all, since it needs everybody's queue and runs; what it keeps names nobody. Faces add it to the stock
that they read themselves. It may be `OUTLOOK_AGE_MAX` old at most; without one there are no estimates.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from marketplace.inventory.models import Offer
from marketplace.inventory.operations import keep_outlook
from marketplace.inventory.queries import find_outlook
from marketplace.journeys.admit.deciding import decide
from marketplace.journeys.admit.forecasting import FORECAST_QUEUE_MAX, could_start, just_placed
from marketplace.journeys.admit.reading import Queue, read_market_and_queue
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.scheduling.availability import Spans, StartSpan
from marketplace.scheduling.estimates import Probe, probe_starts
from marketplace.scheduling.placement import Request, Terms
from marketplace.scheduling.shares import ShareBook, read_described
from marketplace.scheduling.stock import Hold, Remainder, StockView

ACTOR: Final = system_actor("outlook")
OUTLOOK_AGE_MAX: Final = timedelta(seconds=30)
"""Six turns of its timer; an older one says nothing any more."""
EVENTS_MAX: Final = 300
QUANTILES: Final = (0.5, 0.9)
NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookRead:
    """The look ahead as faces use it.

    Attributes:
        holds: Stock kept for requests that wait.
        computed_at: None = there is no fresh one.
    """

    holds: Mapping[UUID, Hold]
    shares: ShareBook
    spans: Spans
    computed_at: datetime | None


NO_SHARES: Final = ShareBook(limits=[], used={}, kinds={})
UNKNOWN: Final = OutlookRead(holds={}, shares=NO_SHARES, spans={}, computed_at=None)


def look_ahead(*, now: datetime) -> int:
    """Compute and keep the outlook; how many spans it has. Opens its own transactions; safe to repeat and to run twice at once."""
    with as_actor(ACTOR):
        queue = read_market_and_queue(now=now)
    shares = queue.shares.describe()
    decided = decide(queue, now=now)
    placed = just_placed(queue, decided)
    waiting = [item.looked.waiting for item in decided if not item.looked.placements and could_start(item)]
    holds = [
        [str(cell.stock.stock_id), cell.hold.starts_at_s, *cell.hold.spare]
        for pool in queue.view.pools
        for cell in pool.held.values()
        if cell.hold is not None
    ]
    probes = list(_probes(queue.view, queue.facts.offers))
    starts = [
        probe_starts(
            queue=waiting[:FORECAST_QUEUE_MAX], probes=probes, view=queue.view,
            running=[*queue.running(quantile=quantile), *placed], packing=queue.packing, now_s=queue.now_s,
            events_max=EVENTS_MAX,
        )
        for quantile in QUANTILES
    ]  # fmt: skip
    spans: dict[str, dict[str, list[float]]] = {}
    for probe in probes:
        offer_id, devices = probe.key
        probable, cautious = starts[0].get(probe.key), starts[1].get(probe.key)
        if probable is not None and cautious is not None and probable > queue.now_s:
            spans.setdefault(str(offer_id), {})[str(devices)] = [probable, max(probable, cautious)]
    body = {"holds": holds, "shares": shares, "kinds": _kinds(queue), "spans": spans}
    with as_actor(ACTOR):
        keep_outlook(body=body, now=now)
    return sum(len(sizes) for sizes in spans.values())


def read_outlook(*, now: datetime) -> OutlookRead:
    """The look ahead, if there is one that is fresh enough; one query."""
    row = find_outlook(since=now - OUTLOOK_AGE_MAX)
    if row is None:
        return UNKNOWN
    body: Mapping[str, Any] = row.body
    return OutlookRead(
        holds={
            UUID(stock_id): Hold(holder_id=NOBODY, starts_at_s=starts_at_s, spare=Remainder(*spare))
            for stock_id, starts_at_s, *spare in body["holds"]
        },
        shares=read_described(body["shares"], kinds=body["kinds"]),
        spans={
            UUID(offer_id): {int(size): StartSpan(p50_s=p50, p90_s=p90) for size, (p50, p90) in sizes.items()}
            for offer_id, sizes in body["spans"].items()
        },
        computed_at=row.computed_at,
    )


def instant_of(at_s: float) -> datetime:
    """Seconds of the outlook's clock as an instant."""
    return datetime.fromtimestamp(at_s, UTC)


def _kinds(queue: Queue) -> dict[str, str]:
    return {offer.accelerator.code: offer.accelerator.kind for offer in queue.facts.offers}


def _probes(view: StockView, offers: Sequence[Offer]) -> Iterator[Probe]:
    """One request for each offer and size."""
    for offer in offers:
        if offer.id not in view.by_offer:
            continue
        terms = Terms(
            offer_id=offer.id, term_id=offer.id, price_micros_per_device_hour=0,
            cpu_millis_per_device=offer.cpu_millis_per_device, memory_mib_per_device=offer.memory_mib_per_device,
        )  # fmt: skip
        for devices in _sizes(offer.devices_max):
            request = Request(instance_id=NOBODY, devices=devices, terms={offer.id: terms})
            yield Probe(offer_id=offer.id, request=request)


def _sizes(devices_max: int) -> list[int]:
    """1, 2, 4 … and the largest: an estimate for 3 is that for 4."""
    powers = [1 << power for power in range(devices_max.bit_length()) if 1 << power <= devices_max]
    return sorted({*powers, devices_max})

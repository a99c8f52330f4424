"""Bands read off the code that places, and expected starts by the same look ahead."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.scheduling.availability import Band, StartSpan, find_span, tell_availability
from marketplace.scheduling.dedication import Dedication
from marketplace.scheduling.estimates import Probe, probe_starts
from marketplace.scheduling.packing import BestFit
from marketplace.scheduling.placement import Request, choose
from marketplace.scheduling.stock import Hold, Remainder, Stock, StockView
from marketplace.scheduling.versions import read_ranges
from marketplace.scheduling.waiting import WaitReason
from tests.scheduling.test_placement import OFFER, TERMS, request, stock
from tests.scheduling.test_queue import running, waiting

pytestmark = pytest.mark.unit

OTHER_OFFER = UUID(int=101)
SPAN = StartSpan(p50_s=10.0, p90_s=20.0)


def band(asked: Request, stocks: list[Stock], **changes: object) -> tuple[Band, WaitReason | None]:
    """The band of the one offer."""
    view = StockView(stocks).narrowed(offer_id=OFFER, **changes)  # type: ignore[arg-type]
    found = tell_availability(choice=choose(request=asked, view=view), start=SPAN)
    assert (found.start == SPAN) == (found.band is Band.QUEUE)
    return found.band, found.wait_reason


def test_each_band_has_its_reason() -> None:
    assert band(request(2), [stock(1)]) == (Band.NOW, None)
    assert band(request(2), [stock(1, free=1)]) == (Band.QUEUE, WaitReason.WAITING_FOR_CAPACITY)
    assert band(request(2), [stock(1, is_under_maintenance=True)]) == (Band.QUEUE, WaitReason.SITE_UNDER_MAINTENANCE)
    assert band(request(2), [stock(1, is_quarantined=True)]) == (Band.QUEUE, WaitReason.STOCK_QUARANTINED)
    assert band(request(9), [stock(1)]) == (Band.NONE, WaitReason.REQUEST_TOO_LARGE)
    assert band(request(1), [stock(1, offer_id=OTHER_OFFER)]) == (Band.NONE, WaitReason.WAITING_FOR_CAPACITY)
    ranges = read_ranges({"driver": ">=590"})
    assert band(request(1, versions=ranges), [stock(1, driver_version="580.1")]) == (
        Band.NONE, WaitReason.VERSION_NOT_INSTALLED,
    )  # fmt: skip
    exhausted = {"nvidia-h200": {"sector": "finance", "limit": 4, "used": 4, "asked": 1}}
    assert band(request(1, exhausted=exhausted), [stock(1)]) == (Band.QUEUE, WaitReason.SECTOR_SHARE_EXHAUSTED)


def test_nodes_of_others_are_not_now() -> None:
    """A node that another has to itself, one where tenants take turns, and one that is shared when it has to be one's own."""
    node = stock(1).node_id
    me = UUID(int=7)
    kept = Dedication.of_others(occupied=(), kept=[node])
    assert band(request(1, tenant_id=me), [stock(1)], dedication=kept)[0] is not Band.NOW
    theirs = stock(1, is_one_tenant=True, holder_id=UUID(int=8))
    assert band(request(1, tenant_id=me), [theirs])[0] is not Band.NOW
    assert band(request(1, tenant_id=me), [replace(theirs, holder_id=me)]) == (Band.NOW, None)
    shared = Dedication.of_others(occupied=[node], kept=())
    assert band(request(1, tenant_id=me), [stock(1)], dedication=shared) == (Band.NOW, None)
    alone = request(1, tenant_id=me, needs_dedicated_node=True)
    assert band(alone, [stock(1)], dedication=shared)[0] is not Band.NOW
    assert band(alone, [stock(1)])[0] is Band.NOW


def test_what_is_held_for_a_larger_request_is_not_now_unless_it_ends_in_time() -> None:
    view = StockView([stock(1)])
    view.set_hold(stock(1).stock_id, Hold(holder_id=UUID(int=0), starts_at_s=100.0, spare=Remainder(0, 0, 0)))
    narrowed = view.narrowed(offer_id=OFFER)
    held = tell_availability(choice=choose(request=request(1), view=narrowed))
    assert (held.band, held.wait_reason) == (Band.QUEUE, WaitReason.RESERVED_FOR_LARGER_REQUEST)
    assert choose(request=request(1, ends_at_s=90.0), view=narrowed).placements


@given(
    st.lists(st.integers(min_value=0, max_value=8), min_size=1, max_size=6),
    st.integers(min_value=1, max_value=8),
    st.integers(min_value=1, max_value=3),
)
def test_a_narrowed_view_answers_as_the_whole_one(free: list[int], devices: int, nodes: int) -> None:
    """Other offers' pools neither help nor hinder."""
    own = [stock(number, free=left) for number, left in enumerate(free, start=1)]
    others = [stock(number, offer_id=OTHER_OFFER) for number in range(20, 23)]
    whole, view = StockView([*own, *others]), StockView([*own, *others])
    asked = request(devices, nodes=nodes)
    left = choose(request=asked, view=whole)
    right = choose(request=asked, view=view.narrowed(offer_id=OFFER))
    assert left.placements == right.placements
    assert left.wait_reason == right.wait_reason


def probe(devices: int) -> Probe:
    """A request that nobody made."""
    return Probe(offer_id=OFFER, request=Request(instance_id=UUID(int=0), devices=devices, terms={OFFER: TERMS}))


def test_probes_start_when_room_comes_behind_everybody_and_take_nothing() -> None:
    """Node 1 has two of eight free; four come back at 50 and two at 90. One request for four waits and runs for 30."""
    runs = [running(1, 4, 50.0), running(1, 2, 90.0)]
    found = probe_starts(
        queue=[waiting(1, 4, max_duration_s=30)],
        probes=[probe(2), probe(4), probe(8), probe(16)],
        view=StockView([stock(1, free=2, free_cpu_millis=32_000, free_memory_mib=200_000)]),
        running=runs,
        packing=BestFit(),
        now_s=0.0,
    )
    # At 50 six are free and the one that waits takes four: two are spare and may be used now; four come at 80, all at 90.
    assert found == {(OFFER, 2): 0.0, (OFFER, 4): 80.0, (OFFER, 8): 90.0}


def test_without_an_end_in_sight_nothing_is_promised() -> None:
    full = StockView([stock(1, free=0)])
    found = probe_starts(
        queue=[], probes=[probe(1)], view=full, running=[running(1, 8, None)], packing=BestFit(), now_s=0.0
    )
    assert found == {}


def test_the_span_of_the_next_size_is_told() -> None:
    spans = {OFFER: {1: StartSpan(p50_s=1, p90_s=2), 4: SPAN}}
    assert find_span(spans=spans, offer_id=OFFER, devices=3) == SPAN
    assert find_span(spans=spans, offer_id=OFFER, devices=5) is None
    assert find_span(spans=spans, offer_id=OTHER_OFFER, devices=1) is None

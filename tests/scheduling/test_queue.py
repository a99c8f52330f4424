"""Who is next, who may pass, and who is kept devices for."""

import math
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.scheduling.estimates import Lifetimes, estimate_starts
from marketplace.scheduling.fair_share import FairUsage, Waiting, fair_order
from marketplace.scheduling.packing import BestFit
from marketplace.scheduling.placement import Request
from marketplace.scheduling.queue import Looked, Running, ends_by_stock, look
from marketplace.scheduling.stock import Remainder, Stock, StockView
from tests.scheduling.test_placement import OFFER, TERMS, stock

pytestmark = pytest.mark.unit

FIRST, SECOND = UUID(int=1), UUID(int=2)


def waiting(number: int, devices: int = 1, *, tenant: UUID = FIRST, **changes: object) -> Waiting:
    """A request that came as the `number`th second."""
    nodes = int(str(changes.pop("nodes", 1)))
    plain = Waiting(
        request=Request(instance_id=UUID(int=number), devices=devices, nodes=nodes, terms={OFFER: TERMS}),
        tenant_id=tenant,
        queued_at_s=float(number),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def running(number: int, devices: int, ends_at_s: float | None) -> Running:
    """Devices in use on node `number`."""
    need = Remainder(devices, devices * 16_000, devices * 100_000)
    return Running(stock_id=UUID(int=number), need=need, ends_at_s=ends_at_s)


def look_at(queue: list[Waiting], stocks: list[Stock], runs: list[Running], *, now_s: float = 0.0) -> list[Looked]:
    """One look by the tightest hole, with explanations."""
    return list(
        look(
            queue=queue, view=StockView(stocks), packing=BestFit(), read_ends=lambda: ends_by_stock(runs), now_s=now_s,
            is_explained=True,
        )
    )  # fmt: skip


def order(items: list[Waiting], used: dict[UUID, float] | None = None) -> list[int]:
    """Numbers of the requests in the order in which they are looked at."""
    return [item.request.instance_id.int for item in fair_order(waiting=items, used=used or {})]


def test_tenants_take_turns_whatever_one_of_them_sends_at_once() -> None:
    burst = [waiting(number) for number in range(1, 5)]
    assert order([*burst, waiting(9, tenant=SECOND), waiting(10, tenant=SECOND)]) == [1, 9, 2, 10, 3, 4]


def test_who_used_less_lately_comes_first() -> None:
    assert order([waiting(1), waiting(2, tenant=SECOND)], {FIRST: 10.0}) == [2, 1]


def test_priority_counts_within_a_tenant_only() -> None:
    items = [waiting(1), waiting(2, priority=1), waiting(3, tenant=SECOND), waiting(4, tenant=SECOND)]
    assert order(items) == [2, 3, 1, 4]


def test_a_larger_share_gets_more_turns() -> None:
    items = [waiting(n) for n in (1, 2, 3)] + [waiting(n, tenant=SECOND) for n in (4, 5, 6)]
    found = fair_order(waiting=items, used={}, shares={FIRST: 2.0, SECOND: 1.0})
    assert [item.request.instance_id.int for item in found] == [1, 4, 2, 3, 5, 6]


def test_use_halves_every_half_life_and_a_start_counts_at_once() -> None:
    usage = FairUsage(half_life_s=100.0, entry_s=50.0)
    usage.start(tenant_id=FIRST, rate=2.0, now_s=0.0)
    assert usage.read(now_s=0.0)[FIRST] == 100.0
    usage.end(tenant_id=FIRST, rate=2.0, now_s=100.0)
    ran = 2.0 * 100.0 / math.log(2) * 0.5
    assert usage.read(now_s=100.0)[FIRST] == pytest.approx(50.0 + ran)
    assert usage.read(now_s=200.0)[FIRST] == pytest.approx((50.0 + ran) / 2)


def test_the_first_that_cannot_start_is_kept_the_node_where_it_can_soonest() -> None:
    stocks = [stock(1, free=4), stock(2, free=2)]
    runs = [running(1, 4, 1_000.0), running(2, 6, 500.0)]
    found = look_at([waiting(1, 8)], stocks, runs)[0]
    assert found.reservation is not None
    assert (found.reservation.starts_at_s, found.reservation.stock_ids) == (500.0, (UUID(int=2),))


@pytest.mark.parametrize(("max_duration_s", "is_placed"), [(500.0, True), (501.0, False), (None, False)])
def test_others_pass_only_when_they_end_in_time(max_duration_s: float | None, *, is_placed: bool) -> None:
    """One node, six of eight in use until 500: a request for eight waits, two are free meanwhile."""
    queue = [waiting(1, 8), waiting(2, 2, max_duration_s=max_duration_s)]
    _large, small = look_at(queue, [stock(1, free=2)], [running(1, 6, 500.0)])
    assert bool(small.placements) is is_placed
    if not is_placed:
        assert small.choice.wait_reason == "ReservedForLargerRequest"


def test_what_a_reservation_will_not_need_is_free_for_all() -> None:
    queue = [waiting(1, 6), waiting(2, 2), waiting(3, 1)]
    found = look_at(queue, [stock(1, free=3)], [running(1, 5, 500.0)])
    assert [bool(item.placements) for item in found] == [False, True, False]


def test_without_any_end_in_sight_nobody_is_stopped() -> None:
    """A request that can never start keeps nothing."""
    found = look_at([waiting(1, 8), waiting(2, 2)], [stock(1, free=2)], [running(1, 6, None)])
    assert found[0].reservation is None
    assert found[1].placements


def test_a_gang_gets_all_its_nodes_or_none() -> None:
    two = [stock(1), stock(2, free=8)]
    placed = look_at([waiting(1, 8, nodes=2)], two, [])[0]
    assert [place.node for place in placed.placements] == ["node-1", "node-2"]
    assert not look_at([waiting(1, 8, nodes=3)], two, [])[0].placements


def test_a_start_is_estimated_by_the_ends_before_it() -> None:
    view = StockView([stock(1, free=0)])
    runs = [running(1, 4, 100.0), running(1, 4, 300.0)]
    queue = [waiting(1, 4, max_duration_s=50.0), waiting(2, 8), waiting(3, 4)]
    starts = estimate_starts(queue=queue, view=view, running=runs, packing=BestFit(), now_s=0.0)
    assert {key.int: value for key, value in starts.items()} == {1: 100.0, 2: 300.0}
    assert view.cells[UUID(int=1)][0].free.devices == 0


def test_what_runs_on_a_node_that_was_removed_makes_no_room_when_it_ends() -> None:
    """Its pods are still there for a while; the first free device is the one that ends at 900."""
    runs = [running(9, 8, 50.0), running(1, 8, 900.0)]
    view = StockView([stock(1, free=0)])
    assert estimate_starts(queue=[waiting(1)], view=view, running=runs, packing=BestFit(), now_s=0.0) == {
        UUID(int=1): 900.0
    }


def test_an_estimate_is_honestly_absent_while_nothing_ends() -> None:
    view = StockView([stock(1, free=0)])
    runs = [running(1, 8, None)]
    assert estimate_starts(queue=[waiting(1)], view=view, running=runs, packing=BestFit(), now_s=0.0) == {}


def test_remaining_time_is_that_of_those_that_grew_as_old() -> None:
    lifetimes = Lifetimes(durations_s=[float(number) for number in range(1, 101)])
    assert lifetimes.remaining_s(age_s=50.0, quantile=0.5) == 25.0
    assert lifetimes.remaining_s(age_s=85.0, quantile=0.5) is None


REQUESTS = st.lists(
    st.tuples(st.integers(1, 8), st.integers(1, 2), st.none() | st.floats(10.0, 1_000.0)), min_size=1, max_size=8
)
FREE = st.lists(st.integers(0, 8), min_size=1, max_size=5)


@given(REQUESTS, FREE)
def test_a_look_never_gives_more_than_there_is(requests: list[tuple[int, int, float | None]], free: list[int]) -> None:
    """Counted independently, node by node; and the same again gives the same."""
    queue = [
        waiting(number + 1, devices, nodes=nodes, max_duration_s=ends)
        for number, (devices, nodes, ends) in enumerate(requests)
    ]
    stocks = [stock(number + 1, free=devices) for number, devices in enumerate(free)]
    runs = [running(number + 1, 8 - devices, 400.0) for number, devices in enumerate(free) if devices < 8]
    found = look_at(queue, stocks, runs)
    taken: dict[str, int] = {}
    for item in found:
        names = [place.node for place in item.placements]
        assert len(set(names)) == len(names) in (0, item.waiting.request.nodes)
        for name in names:
            taken[name] = taken.get(name, 0) + item.waiting.request.devices
    assert all(taken.get(f"node-{number + 1}", 0) <= devices for number, devices in enumerate(free))
    again = look_at(queue, list(reversed(stocks)), runs)
    assert [item.placements for item in again] == [item.placements for item in found]


@given(st.integers(1, 8), FREE, st.integers(0, 8))
def test_more_capacity_never_makes_a_request_impossible(devices: int, free: list[int], more: int) -> None:
    stocks = [stock(number + 1, free=count) for number, count in enumerate(free)]
    before = look_at([waiting(1, devices)], stocks, [])[0]
    after = look_at([waiting(1, devices)], [*stocks, stock(99, free=more)], [])[0]
    assert not before.placements or after.placements

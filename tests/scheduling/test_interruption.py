"""Whose devices are taken back, and that a replay honours it."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.scheduling.interruption import InterruptibleRun, choose_interrupted
from marketplace.scheduling.placement import choose
from marketplace.scheduling.simulator import RequestRow, Simulation
from marketplace.scheduling.stock import Remainder, StockView
from tests.scheduling.test_placement import request, stock
from tests.scheduling.test_simulator import nodes_of

pytestmark = pytest.mark.unit


def need(devices: int) -> Remainder:
    """As the one offer's terms have it."""
    return Remainder(devices, devices * 16_000, devices * 100_000)


def run(number: int, devices: int, *stocks: int, since_s: float = 0.0) -> InterruptibleRun:
    """An interruptible run with so many devices on each of some nodes."""
    places = tuple((UUID(int=node), need(devices)) for node in stocks)
    return InterruptibleRun(instance_id=UUID(int=number), started_at_s=since_s, places=places)


def chosen(devices: int, free: list[int], runs: list[InterruptibleRun], *, nodes: int = 1) -> list[int]:
    """Numbers of the interrupted runs."""
    view = StockView([stock(number + 1, free=count) for number, count in enumerate(free)])
    return [key.int for key in choose_interrupted(request=request(devices, nodes=nodes), view=view, runs=runs)]


def test_the_fewest_devices_are_taken_back_and_of_the_youngest() -> None:
    runs = [run(1, 4, 1), run(2, 2, 2, since_s=10.0), run(3, 2, 2, since_s=20.0)]
    assert chosen(4, [2, 2], runs) == [3]
    assert chosen(6, [2, 2], runs) == [1]


def test_nobody_is_interrupted_when_it_would_not_help() -> None:
    assert chosen(8, [2], [run(1, 4, 1)]) == []
    assert chosen(2, [0], []) == []


def test_a_gang_is_interrupted_whole_and_for_a_gang_all_its_nodes_are_cleared() -> None:
    runs = [run(1, 8, 1, 2), run(2, 4, 3)]
    assert chosen(8, [0, 0, 4], runs) == [2]
    assert chosen(8, [0, 0, 4], runs, nodes=2) == [1]


@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), max_size=6),
    st.integers(1, 8),
)
def test_what_is_interrupted_makes_room_and_nobody_goes_for_nothing(
    used: list[int], runs: list[tuple[int, int]], devices: int
) -> None:
    """Each of those chosen is needed: without it the request would not start."""
    taken = [0] * len(used)
    own = []
    for number, (size, drawn) in enumerate(runs):
        node = drawn % len(used)
        if taken[node] + size <= 8 - used[node]:
            taken[node] += size
            own.append(run(number + 1, size, node + 1))
    free = [8 - used[node] - taken[node] for node in range(len(used))]

    def starts(gone: list[InterruptibleRun]) -> bool:
        view = StockView([stock(number + 1, free=count) for number, count in enumerate(free)])
        for item in gone:
            for stock_id, held in item.places:
                view.give_back(stock_id, held)
        return choose(request=request(devices), view=view).placement is not None

    numbers = chosen(devices, free, own)
    victims = [item for item in own if item.instance_id.int in numbers]
    if victims:
        assert starts(victims)
        assert not any(starts([other for other in victims if other is not item]) for item in victims)
    else:
        assert starts([]) or not starts(own)


def test_a_replay_interrupts_for_who_may_not_be_and_finishes_the_rest_later() -> None:
    """Eight devices: an hour's interruptible work is cut after half of it and its rest runs after the other's hour."""
    rows = [
        RequestRow(request="cheap", tenant="a", submit_s=0.0, duration_s=3_600.0, devices=8, is_interruptible=True),
        RequestRow(request="sure", tenant="b", submit_s=1_800.0, duration_s=3_600.0, devices=4),
        RequestRow(request="late", tenant="c", submit_s=7_300.0, duration_s=60.0, devices=8),
    ]
    outcome = Simulation(nodes=nodes_of(1), requests=rows, has_estimates=False).run()
    assert {start.row.request: start.started_s for start in outcome.starts} == {
        "cheap": 0.0, "sure": 1_800.0, "late": 7_300.0,
    }  # fmt: skip
    assert (outcome.interruptions, outcome.never_started) == (1, [])
    # 1,800 s before it was cut, and from 5,400 s, when the other ended, to 7,200 s: done before the last one comes.
    assert outcome.device_seconds["a"] == 8 * 3_600
    assert outcome.device_seconds["b"] == 4 * 3_600

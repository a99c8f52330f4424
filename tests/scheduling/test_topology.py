"""Gangs stay within one topology group where one can hold them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.scheduling.stock import Stock
from tests.scheduling.test_placement import choose, request, stock

pytestmark = pytest.mark.unit


def groups_of(nodes: int, stocks: list[Stock]) -> list[str]:
    """The topology groups that a gang of whole nodes got, node by node."""
    choice = choose(request=request(8, nodes=nodes), stocks=stocks)
    by_id = {item.stock_id: item.topology for item in stocks}
    return [by_id[place.stock_id] for place in choice.placements]


def stocks_of(*names: str) -> list[Stock]:
    """One free node of eight per name of its group."""
    return [stock(number + 1, topology=name) for number, name in enumerate(names)]


def test_a_gang_goes_into_the_group_with_the_least_to_spare() -> None:
    assert groups_of(2, stocks_of("a", "b", "a", "b", "a")) == ["b", "b"]
    assert groups_of(3, stocks_of("a", "b", "a", "b", "a")) == ["a", "a", "a"]


def test_without_a_group_that_holds_it_a_gang_spans_as_few_as_possible() -> None:
    assert groups_of(4, stocks_of("a", "b", "a", "", "a", "c")) == ["a", "a", "a", "b"]
    assert groups_of(2, stocks_of("", "a", "")) == ["a", ""]
    assert groups_of(7, stocks_of("a", "b", "a", "", "a", "c")) == []


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=8), st.integers(1, 8))
def test_groups_never_make_a_gang_impossible_and_one_group_is_used_when_one_is_enough(
    names: list[str], nodes: int
) -> None:
    got = groups_of(nodes, stocks_of(*names))
    assert len(got) == (nodes if nodes <= len(names) else 0)
    if got and nodes > 1 and any(names.count(name) >= nodes for name in "abc"):
        assert len(set(got)) == 1

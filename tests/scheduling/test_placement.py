"""Where does it go? Placement against literal stock, and properties against an oracle of its own."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.scheduling.placement import Choice, Request, Terms
from marketplace.scheduling.placement import choose as choose_in
from marketplace.scheduling.stock import Rejection, Remainder, Stock, StockView
from marketplace.scheduling.waiting import WaitReason

pytestmark = pytest.mark.unit

OFFER = UUID(int=100)
SITE = UUID(int=200)
TERMS = Terms(
    offer_id=OFFER,
    term_id=UUID(int=300),
    price_micros_per_device_hour=5_400_000_000,
    cpu_millis_per_device=16_000,
    memory_mib_per_device=100_000,
)


def stock(number: int = 1, *, free: int = 8, **changes: object) -> Stock:
    """A healthy eight-device node with `free` of them free."""
    plain = Stock(
        stock_id=UUID(int=number),
        node_id=UUID(int=1_000 + number),
        node=f"node-{number}",
        cluster_id=UUID(int=400),
        cluster="c",
        site_id=SITE,
        site="pangyo",
        accelerator="nvidia-h200",
        offer_id=OFFER,
        capacity_devices=8,
        free_devices=free,
        free_cpu_millis=128_000,
        free_memory_mib=800_000,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def request(devices: int = 2, **changes: object) -> Request:
    """A request on the one offer's terms."""
    return replace(Request(instance_id=UUID(int=1), devices=devices, terms={OFFER: TERMS}), **changes)  # type: ignore[arg-type]


def choose(*, request: Request, stocks: list[Stock]) -> Choice:
    """By the tightest hole."""
    return choose_in(request=request, view=StockView(stocks))


def test_the_smallest_hole_that_fits_is_taken() -> None:
    """Whole nodes stay whole while smaller holes serve; the others are told as worse fits."""
    choice = choose(request=request(2), stocks=[stock(1, free=8), stock(2, free=3), stock(3, free=2)])
    assert choice.placement is not None
    assert choice.placement.node == "node-3"
    assert choice.placement.need == Remainder(2, 32_000, 200_000)
    assert [(item.nodes, item.rejection) for item in choice.rejected] == [(("node-1", "node-2"), Rejection.WORSE_FIT)]


def test_a_cheaper_offer_comes_before_a_better_fit() -> None:
    """The customer's won come before our packing."""
    cheap = replace(TERMS, offer_id=UUID(int=101), price_micros_per_device_hour=3_900_000_000)
    choice = choose(
        request=request(2, terms={OFFER: TERMS, cheap.offer_id: cheap}),
        stocks=[stock(1, free=2), stock(2, free=8, offer_id=cheap.offer_id)],
    )
    assert choice.placement is not None
    assert choice.placement.node == "node-2"


@pytest.mark.parametrize(
    ("changes", "rejection", "reason"),
    [
        ({"free_devices": 1}, Rejection.NOT_ENOUGH_DEVICES, WaitReason.WAITING_FOR_CAPACITY),
        ({"free_cpu_millis": 31_999}, Rejection.NOT_ENOUGH_CPU, WaitReason.WAITING_FOR_CAPACITY),
        ({"free_memory_mib": 199_999}, Rejection.NOT_ENOUGH_MEMORY, WaitReason.WAITING_FOR_CAPACITY),
        ({"capacity_devices": 1, "free_devices": 1}, Rejection.REQUEST_TOO_LARGE, WaitReason.REQUEST_TOO_LARGE),
        ({"is_cluster_fresh": False}, Rejection.CLUSTER_SILENT, WaitReason.INVENTORY_STALE),
        ({"is_cluster_active": False}, Rejection.CLUSTER_DRAINING, WaitReason.SITE_UNDER_MAINTENANCE),
        ({"is_node_ready": False}, Rejection.NODE_NOT_READY, WaitReason.WAITING_FOR_CAPACITY),
        ({"is_node_schedulable": False}, Rejection.NODE_CORDONED, WaitReason.SITE_UNDER_MAINTENANCE),
        ({"offer_id": UUID(int=7)}, Rejection.NO_TERMS, WaitReason.WAITING_FOR_CAPACITY),
    ],
)
def test_each_obstacle_is_told_by_its_own_token(
    changes: dict[str, object], rejection: Rejection, reason: WaitReason
) -> None:
    """One obstacle, one rejection, one reason to wait."""
    choice = choose(request=request(2), stocks=[replace(stock(1), **changes)])  # type: ignore[arg-type]
    assert choice.placement is None
    assert [item.rejection for item in choice.rejected] == [rejection]
    assert choice.wait_reason is reason


def test_a_forbidden_site_is_never_taken_and_is_told_first() -> None:
    """The rules come before capacity."""
    forbidden = {(SITE, "nvidia-h200"): ("certificate_missing",)}
    choice = choose(request=request(2, forbidden=forbidden), stocks=[stock(1, free=0)])
    assert choice.rejected[0].rejection is Rejection.SITE_NOT_PERMITTED
    assert choice.wait_reason is WaitReason.NO_CERTIFIED_SITE


STOCKS = st.lists(
    st.builds(
        stock,
        st.integers(1, 50),
        free=st.integers(0, 8),
        free_cpu_millis=st.integers(0, 128_000),
        free_memory_mib=st.integers(0, 800_000),
        is_node_ready=st.booleans(),
        is_cluster_fresh=st.booleans(),
        site_id=st.sampled_from([SITE, UUID(int=201)]),
    ),
    max_size=12,
    unique_by=lambda item: item.stock_id,
)


@given(STOCKS, st.integers(1, 8))
def test_placement_agrees_with_an_independent_oracle(stocks: list[Stock], devices: int) -> None:
    """Never forbidden, never over-allocating, placed exactly when something fits, and the same for any order of input."""
    forbidden = {(UUID(int=201), "nvidia-h200"): ("zone_not_allowed",)}
    fitting = {
        item.stock_id
        for item in stocks
        if item.site_id == SITE
        and item.is_node_ready
        and item.is_cluster_fresh
        and item.free_devices >= devices
        and item.free_cpu_millis >= devices * 16_000
        and item.free_memory_mib >= devices * 100_000
    }
    choice = choose(request=request(devices, forbidden=forbidden), stocks=stocks)
    assert (choice.placement is not None) == bool(fitting)
    if choice.placement is not None:
        assert choice.placement.stock_id in fitting
        assert sum(item.node_count for item in choice.rejected) == len(stocks) - 1
        reverse = choose(request=request(devices, forbidden=forbidden), stocks=list(reversed(stocks)))
        assert reverse.placement == choice.placement

"""Version ranges, and nodes that one tenant has at a time, in placement."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.scheduling.placement import Request, Terms, choose
from marketplace.scheduling.stock import Rejection, Remainder, Stock, StockView
from marketplace.scheduling.versions import RangeMalformed, parse_range, read_ranges

OFFER, SITE, CLUSTER = uuid4(), uuid4(), uuid4()


@pytest.mark.parametrize(
    ("text", "version", "is_in"),
    [
        ("580", "580.95.05", True),
        ("580.9", "580.95.05", False),
        ("==580.95.05", "580.95.05", True),
        ("==580", "580.95.05", False),
        (">=580.65,<590", "580.105.1", True),
        (">=580.65,<590", "590.0", False),
        (">580.95", "580.105", True),
        ("<=2.0.1", "2.0.1", True),
        ("<2", "2.0.rc1", False),
        (">=1", "", False),
    ],
)
def test_ranges_compare_numbers_as_numbers(text: str, version: str, is_in: bool) -> None:
    assert parse_range(text).takes(version) is is_in


@pytest.mark.parametrize("text", ["", ">=", "~1", "1,,2", ">=1,>=1,>=1,>=1,>=1", "1;drop", "1 2"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(RangeMalformed):
        parse_range(text)


def test_an_unknown_component_is_refused() -> None:
    with pytest.raises(RangeMalformed):
        read_ranges({"bios": "1"})


@given(st.lists(st.integers(0, 999), min_size=1, max_size=4), st.lists(st.integers(0, 999), min_size=1, max_size=4))
def test_exactly_one_of_older_equal_and_newer_holds(left: list[int], right: list[int]) -> None:
    version, wanted = (".".join(map(str, parts)) for parts in (left, right))
    assert sum(parse_range(f"{operator}{wanted}").takes(version) for operator in ("<", "==", ">")) == 1


def stock(node: str, **changes: Any) -> Stock:
    """Eight free devices on a node, with changes."""
    fine: dict[str, Any] = {
        "stock_id": uuid4(), "node_id": uuid4(), "node": node, "cluster_id": CLUSTER, "cluster": "c", "site_id": SITE,
        "site": "s", "accelerator": "rebellions-atom", "offer_id": OFFER, "capacity_devices": 8, "free_devices": 8,
        "free_cpu_millis": 128_000, "free_memory_mib": 1_000_000,
    }  # fmt: skip
    return Stock(**{**fine, **changes})


def ask(*, tenant: UUID, devices: int = 2, **versions: str) -> Request:
    """A request of a tenant."""
    terms = Terms(
        offer_id=OFFER,
        term_id=OFFER,
        price_micros_per_device_hour=1,
        cpu_millis_per_device=1,
        memory_mib_per_device=1,
    )
    return Request(
        instance_id=uuid4(), devices=devices, tenant_id=tenant, terms={OFFER: terms}, versions=read_ranges(versions)
    )


def test_a_request_goes_where_its_versions_are_and_says_when_they_are_nowhere() -> None:
    view = StockView([stock("old", driver_version="570.1"), stock("new", driver_version="580.95.05")])
    found = choose(request=ask(tenant=uuid4(), driver=">=580"), view=view)
    assert [place.node for place in found.placements] == ["new"]
    assert [(item.rejection, item.nodes) for item in found.rejected] == [(Rejection.OTHER_VERSION, ("old",))]
    nowhere = choose(request=ask(tenant=uuid4(), driver=">=600"), view=view)
    assert (nowhere.placements, nowhere.wait_reason) == ((), "VersionNotInstalled")


def test_a_node_of_grouped_cards_has_one_tenant_until_its_last_instance_is_gone() -> None:
    first, second = uuid4(), uuid4()
    only = stock("npu-1", is_one_tenant=True)
    view = StockView([only])
    need = Remainder(2, 1, 1)
    view.take(only.stock_id, need, tenant_id=first)
    view.take(only.stock_id, need, tenant_id=first)
    assert choose(request=ask(tenant=first), view=view).placement is not None
    refused = choose(request=ask(tenant=second), view=view)
    assert [(item.rejection, item.node_count) for item in refused.rejected] == [(Rejection.OTHER_TENANT, 1)]
    view.give_back(only.stock_id, need)
    assert choose(request=ask(tenant=second), view=view).placement is None
    view.give_back(only.stock_id, need)
    assert choose(request=ask(tenant=second), view=view).placement is not None

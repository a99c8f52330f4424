"""Why a request waits: one token for many obstacles, with the numbers of its sentence."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from marketplace.scheduling.waiting import WaitReason, read_wait_facts
from tests.scheduling.test_placement import SITE, choose, request, stock

pytestmark = pytest.mark.unit

DOCUMENT = Path(__file__).parents[2] / "docs" / "queue.md"


@pytest.mark.parametrize("reason", [*WaitReason])
def test_every_reason_is_documented(reason: WaitReason) -> None:
    assert f"| `{reason}` |" in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (("certificate_expires_too_soon",), WaitReason.CERTIFICATION_EXPIRES_TOO_SOON),
        (("customer_assessment_missing",), WaitReason.CUSTOMER_ASSESSMENT_MISSING),
        (("customer_assessment_missing", "certificate_missing"), WaitReason.NO_CERTIFIED_SITE),
        (("zone_not_allowed",), WaitReason.NO_CERTIFIED_SITE),
    ],
)
def test_a_site_that_lacks_one_thing_is_told_by_what_it_lacks(rules: tuple[str, ...], reason: WaitReason) -> None:
    choice = choose(request=request(2, forbidden={(SITE, "nvidia-h200"): rules}), stocks=[stock(1)])
    assert choice.wait_reason is reason


def test_what_passes_by_itself_is_told_before_what_needs_somebody() -> None:
    """One node is full, one is silent, one is cordoned."""
    stocks = [stock(1, free=0), stock(2, is_cluster_fresh=False), stock(3, is_node_schedulable=False)]
    assert choose(request=request(2), stocks=stocks).wait_reason is WaitReason.WAITING_FOR_CAPACITY
    assert choose(request=request(2), stocks=stocks[1:]).wait_reason is WaitReason.INVENTORY_STALE


def test_the_numbers_are_of_devices_and_not_of_millis() -> None:
    """Eight devices are free without processors; the sentence says so instead of counting thousandths of processors."""
    choice = choose(request=request(2), stocks=[stock(1, free_cpu_millis=31_999), stock(2, free=1)])
    assert choice.wait_reason is not None
    facts = read_wait_facts(reason=choice.wait_reason, rejected=choice.rejected, devices=2, nodes=1)
    assert (facts["requested"], facts["free"], facts["short_of"]) == (2, 8, "resources")


def test_a_gang_is_told_how_many_nodes_have_room() -> None:
    stocks = [stock(1), stock(2), stock(3, free=7)]
    choice = choose(request=request(8, nodes=3), stocks=stocks)
    assert choice.wait_reason is WaitReason.WAITING_FOR_CAPACITY
    facts = read_wait_facts(reason=choice.wait_reason, rejected=choice.rejected, devices=8, nodes=3)
    assert (facts["nodes"], facts["fitting_nodes"]) == (3, 2)


def test_devices_whose_processors_or_memory_no_node_could_ever_give_are_too_many() -> None:
    """Eight empty devices on a node with memory for five of them; a pair of such nodes holds no gang either."""
    small = replace(stock(1), capacity_cpu_millis=128_000, capacity_memory_mib=599_999, free_memory_mib=599_999)
    for nodes in (1, 2):
        choice = choose(
            request=request(8, nodes=nodes), stocks=[small, replace(small, stock_id=UUID(int=2), node="node-2")]
        )
        assert choice.wait_reason is WaitReason.REQUEST_TOO_LARGE
        facts = read_wait_facts(reason=choice.wait_reason, rejected=choice.rejected, devices=8, nodes=nodes)
        assert (facts["requested"], facts["free"]) == (8, 5)
    assert choose(request=request(5), stocks=[replace(small, free_memory_mib=0)]).wait_reason is (
        WaitReason.WAITING_FOR_CAPACITY
    )


def test_what_no_node_or_cluster_could_ever_hold_is_said_so() -> None:
    small = replace(stock(1), capacity_devices=4, free_devices=4)
    assert choose(request=request(8), stocks=[small]).wait_reason is WaitReason.REQUEST_TOO_LARGE
    assert choose(request=request(8, nodes=2), stocks=[stock(1), small]).wait_reason is WaitReason.REQUEST_TOO_LARGE

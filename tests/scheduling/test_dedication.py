"""Nodes for one organization alone: never shared, whoever comes first."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.scheduling.dedication import Dedication
from marketplace.scheduling.fair_share import Waiting
from marketplace.scheduling.packing import BestFit
from marketplace.scheduling.placement import choose
from marketplace.scheduling.queue import look
from marketplace.scheduling.stock import Rejection, StockView
from marketplace.scheduling.waiting import WaitReason
from tests.scheduling.test_placement import request, stock

pytestmark = pytest.mark.unit

BANK, FACTORY = UUID(int=11), UUID(int=12)
NODE_1, NODE_2 = UUID(int=1_001), UUID(int=1_002)


def view(**pairs: list[tuple[UUID, UUID]]) -> StockView:
    """Two healthy nodes of eight devices."""
    found = StockView([stock(1), stock(2)])
    found.dedication = Dedication(**pairs)
    return found


def test_a_dedicated_request_takes_only_a_node_without_others() -> None:
    shared = view(tenants=[(NODE_1, FACTORY)])
    choice = choose(request=request(1, tenant_id=BANK, needs_dedicated_node=True), view=shared)
    assert choice.placement is not None
    assert choice.placement.node == "node-2"
    assert [(item.nodes, item.rejection) for item in choice.rejected] == [(("node-1",), Rejection.NODE_NOT_ALONE)]


def test_the_own_instances_do_not_count_as_others() -> None:
    own = view(tenants=[(NODE_1, BANK), (NODE_2, FACTORY)])
    choice = choose(request=request(1, tenant_id=BANK, needs_dedicated_node=True), view=own)
    assert choice.placement is not None
    assert choice.placement.node == "node-1"


def test_a_node_that_is_kept_takes_nobody_else_and_its_owner_again() -> None:
    kept = view(tenants=[(NODE_1, BANK), (NODE_2, BANK)], dedicated=[(NODE_1, BANK), (NODE_2, BANK)])
    choice = choose(request=request(1, tenant_id=FACTORY), view=kept)
    assert choice.placement is None
    assert choice.wait_reason is WaitReason.WAITING_FOR_CAPACITY
    assert choose(request=request(1, tenant_id=BANK), view=kept).placement is not None


@given(
    st.lists(st.tuples(st.sampled_from([BANK, FACTORY]), st.booleans(), st.integers(1, 8)), max_size=12),
    st.lists(st.integers(1, 8), min_size=1, max_size=4),
)
def test_within_one_pass_no_dedicated_node_is_ever_shared(
    asked: list[tuple[UUID, bool, int]], capacities: list[int]
) -> None:
    """Whatever is asked for in whatever order; an oracle counts who stands where afterwards."""
    stocks = [
        replace(stock(number + 1), capacity_devices=devices, free_devices=devices)
        for number, devices in enumerate(capacities)
    ]
    queue = [
        Waiting(
            request=replace(
                request(devices, tenant_id=tenant, needs_dedicated_node=alone), instance_id=UUID(int=5_000 + number)
            ),
            tenant_id=tenant, queued_at_s=float(number), priority=0, weight=1.0, max_duration_s=None,
            reserved_since_s=None,
        )
        for number, (tenant, alone, devices) in enumerate(asked)
    ]  # fmt: skip
    placed = [
        (place.node, looked.waiting.tenant_id, looked.waiting.request.needs_dedicated_node)
        for looked in look(queue=queue, view=StockView(stocks), packing=BestFit(), read_ends=dict, now_s=0.0)
        for place in looked.placements
    ]
    kept = {node: tenant for node, tenant, alone in placed if alone}
    assert all(kept.get(node, tenant) == tenant for node, tenant, _alone in placed)

"""A market on a cluster and an Ondol that one test may break."""

from collections.abc import Callable, Iterator

import pytest

from devstack.demo.customer import Customer
from devstack.kubernetes.control_plane import LocalCluster
from tests.fixtures.running import RunningOndol
from tests.journeys.conftest import Market, build, entrance


@pytest.fixture
def breakable(
    own_ondol: Callable[..., RunningOndol], own_cluster: LocalCluster, node_labels: dict[str, str]
) -> Iterator[Market]:
    """The demo's certified site alone, with quick silence, so that a stopped API server is noticed within the test."""
    ondol = own_ondol(clusters={"home": own_cluster}, extra={"ONDOL_CLUSTER_SILENCE_S": "20"})
    customers: list[Customer] = []
    yield Market(ondol=ondol, world=build(ondol, node_labels), enter=entrance(ondol.url, customers))
    for customer in customers:
        customer.close()

"""The market that journeys share: the demo's, in clusters with simulated nodes."""

from dataclasses import dataclass

import pytest

from devstack.kubernetes.access import bootstrap_provider_access
from devstack.kubernetes.nodes import NodeKind, add_node, wait_nodes_ready
from tests.fixtures.running import RunningOndol


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A running Ondol with a market in it.

    Attributes:
        world: The demo's world: a bank and a manufacturer.
    """

    ondol: RunningOndol
    world: object


_MARKETS: dict[str, object] = {}


@pytest.fixture
def market(running_ondol: RunningOndol, node_labels: dict[str, str]) -> Market:
    """The shared market; built once for each database, in which journeys then rent with tenants of their own."""
    from devstack.demo.world import CERTIFIED_CLUSTER, UNCERTIFIED_CLUSTER, build_world  # noqa: PLC0415 - needs Django
    from marketplace.kernel import clock  # noqa: PLC0415 - needs Django

    if running_ondol.database not in _MARKETS:
        home, away = running_ondol.clusters["home"], running_ondol.clusters["away"]
        nodes = {
            "h200-home": (home, NodeKind.H200),
            "a100-home": (home, NodeKind.A100_MIG),
            "h200-away": (away, NodeKind.H200),
            "rngd-away": (away, NodeKind.RNGD),
            "atom-away": (away, NodeKind.ATOM),
        }
        for name, (cluster, kind) in nodes.items():
            add_node(cluster, kind=kind, name=name, labels=node_labels)
        for cluster in (home, away):
            wait_nodes_ready(cluster, names=[name for name, (where, _kind) in nodes.items() if where is cluster])
        password = "correct-horse-battery"
        _MARKETS[running_ondol.database] = build_world(
            kubeconfigs={
                CERTIFIED_CLUSTER: bootstrap_provider_access(home),
                UNCERTIFIED_CLUSTER: bootstrap_provider_access(away),
            },
            passwords={"engineer": password, "visitor": password, "operator": password},
            now=clock.now(),
        )
    return Market(ondol=running_ondol, world=_MARKETS[running_ondol.database])

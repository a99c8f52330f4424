"""The demo's two clusters and what stands in them."""

from dataclasses import dataclass
from typing import Final

from devstack.kubernetes.nodes import NodeKind, add_node, wait_nodes_ready
from devstack.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNode:
    """One simulated machine."""

    name: str
    kind: NodeKind
    devices: int | None = None


FLEET: Final[dict[str, tuple[PlannedNode, ...]]] = {
    "pangyo-1": (
        PlannedNode(name="pangyo-h200-01", kind=NodeKind.H200),
        PlannedNode(name="pangyo-a100-01", kind=NodeKind.A100_MIG),
    ),
    "chuncheon-1": (
        PlannedNode(name="chuncheon-h200-01", kind=NodeKind.H200),
        PlannedNode(name="chuncheon-h200-02", kind=NodeKind.H200),
        PlannedNode(name="chuncheon-rngd-01", kind=NodeKind.RNGD),
        PlannedNode(name="chuncheon-atom-01", kind=NodeKind.ATOM),
    ),
}
"""Cluster → nodes. The first belongs to a provider certified for a bank's data, the second to one that is not, and is cheaper."""


def add_fleet(stack: Stack) -> None:
    """Add the nodes to the started clusters and wait until all can be used.

    Raises:
        TimeoutError: Names the nodes that are not Ready.
    """
    for cluster, nodes in FLEET.items():
        for node in nodes:
            add_node(stack.clusters[cluster], kind=node.kind, name=node.name, devices=node.devices)
    for cluster, nodes in FLEET.items():
        wait_nodes_ready(stack.clusters[cluster], names=[node.name for node in nodes])

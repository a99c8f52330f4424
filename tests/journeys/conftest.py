"""The market that journeys share: the demo's, in clusters with simulated nodes, and customers who come by the REST API."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from devstack.demo.customer import Customer
from devstack.kubernetes.access import bootstrap_provider_access
from devstack.kubernetes.control_plane import Cluster
from devstack.kubernetes.nodes import NodeKind, add_node, remove_node, wait_nodes_ready
from tests.fixtures.running import RunningOndol
from tests.journeys.usage import wait_for

if TYPE_CHECKING:
    from devstack.demo.world import World
    from tests.market import Renter

NODES = {
    "h200-home": ("home", NodeKind.H200),
    "a100-home": ("home", NodeKind.A100_MIG),
    "h200-away": ("away", NodeKind.H200),
    "rngd-away": ("away", NodeKind.RNGD),
    "atom-away": ("away", NodeKind.ATOM),
}
SECOND = "h200-home-2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A running Ondol with the demo's market in it.

    Attributes:
        enter: Make a tenant of one's own with an API key; its connection is closed when the test ends.
    """

    ondol: RunningOndol
    world: "World"
    enter: "Callable[..., Entry]"

    @property
    def home(self) -> Cluster:
        """The certified site's cluster."""
        return self.ondol.clusters["home"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A tenant that one test made, and its customer."""

    renter: "Renter"
    customer: Customer
    project: str
    extra: dict[str, str] = field(default_factory=dict)

    def request(self, **changes: object) -> dict[str, object]:
        """A rent for two H200s."""
        return {
            "project": self.project,
            "name": "train",
            "accelerators": ["nvidia-h200"],
            "devices": 2,
            "image": "registry.example/pytorch:2.8",
            **changes,
        }

    def rent(self, **changes: object) -> str:
        """Rent and return the instance's id."""
        return str(self.customer.post("/instances", self.request(**changes))["id"])


_WORLDS: "dict[str, World]" = {}


@pytest.fixture
def market(running_ondol: RunningOndol, node_labels: dict[str, str]) -> Iterator[Market]:
    """The shared market, built once for each database, and left as the test leaves it."""
    if running_ondol.database not in _WORLDS:
        _WORLDS[running_ondol.database] = build(running_ondol, node_labels)
    customers: list[Customer] = []
    yield Market(
        ondol=running_ondol, world=_WORLDS[running_ondol.database], enter=entrance(running_ondol.url, customers)
    )
    for customer in customers:
        customer.close()


@pytest.fixture
def two_nodes(market: Market, node_labels: dict[str, str]) -> Iterator[Market]:
    """The market with a second node of eight H200s in the certified site, of which Ondol knows."""
    add_node(market.home, kind=NodeKind.H200, name=SECOND, labels=node_labels)
    wait_nodes_ready(market.home, names=[SECOND])
    wait_for(_is_second_known)
    yield market
    remove_node(market.home, name=SECOND)


def _is_second_known() -> bool:
    """Whether the watcher has told of the second node."""
    from marketplace.inventory.models import NodeStock  # noqa: PLC0415 - needs Django
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    with as_actor(STAFF):
        return NodeStock.objects.filter(
            node__name=SECOND, node__is_ready=True, node__is_schedulable=True, node__removed_at__isnull=True,
            allocatable_devices=8,
        ).exists()  # fmt: skip


def build(ondol: RunningOndol, labels: dict[str, str]) -> "World":
    """Nodes in both clusters, and the demo's market over them."""
    from devstack.demo.world import CERTIFIED_CLUSTER, UNCERTIFIED_CLUSTER, build_world  # noqa: PLC0415 - needs Django
    from marketplace.kernel import clock  # noqa: PLC0415 - needs Django

    for name, (where, kind) in NODES.items():
        if where in ondol.clusters:
            add_node(ondol.clusters[where], kind=kind, name=name, labels=labels)
    for where, cluster in ondol.clusters.items():
        wait_nodes_ready(cluster, names=[name for name, (place, _kind) in NODES.items() if place == where])
    password = secrets.token_urlsafe(12)
    return build_world(
        kubeconfigs={
            name: bootstrap_provider_access(ondol.clusters[where])
            for name, where in ((CERTIFIED_CLUSTER, "home"), (UNCERTIFIED_CLUSTER, "away"))
            if where in ondol.clusters
        },
        passwords={"engineer": password, "visitor": password, "operator": password},
        now=clock.now(),
    )


def entrance(url: str, customers: list[Customer]) -> "Callable[..., Entry]":
    """A maker of tenants with a key each; the customers it makes are added to the list."""

    def enter(*, quota: int = 64, data_classes: tuple[str, ...] = ("personal-credit",)) -> Entry:
        from marketplace.kernel import clock, ids  # noqa: PLC0415 - needs Django
        from marketplace.kernel.actors import as_actor  # noqa: PLC0415
        from marketplace.tenants.api_keys import issue_api_key  # noqa: PLC0415
        from marketplace.tenants.permissions import PERMISSIONS  # noqa: PLC0415
        from tests.market import STAFF, add_renter  # noqa: PLC0415

        renter = add_renter(
            name=f"은행 {secrets.token_hex(3)}", quota=quota, data_classes=data_classes, now=clock.now()
        )
        with as_actor(STAFF):
            issued = issue_api_key(
                actor=STAFF, project=renter.project, name="journey", scopes=PERMISSIONS, now=clock.now()
            )
        customer = Customer(base_url=url, api_key=issued.secret, language="en")
        customers.append(customer)
        return Entry(renter=renter, customer=customer, project=ids.format_id(prefix="prj", value=renter.project.id))

    return enter

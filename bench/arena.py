"""The market that benches measure in: one site, one cluster with ten eight-device nodes, one tenant with much quota."""

import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from devstack.demo.customer import Customer
from devstack.in_process import set_up_django
from devstack.kubernetes.access import bootstrap_provider_access
from devstack.kubernetes.control_plane import Cluster
from devstack.kubernetes.nodes import NodeKind, add_node, wait_nodes_ready
from devstack.postgres import Login
from devstack.processes import Ports, Processes
from devstack.progress import step
from devstack.stack import Stack
from devstack.watching import ClusterPods

NODES = 10
DATABASE = "bench"


@dataclass(slots=True)
class PodClock:
    """When each pod was first seen by a watch, by name; condition-guarded."""

    seen: dict[str, float] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def follow(self, cluster: Cluster) -> None:
        """Watch on a daemon thread."""
        threading.Thread(target=self._follow, args=(cluster,), daemon=True).start()

    def _follow(self, cluster: Cluster) -> None:
        import time  # noqa: PLC0415 - beside its one use

        for kind, pod in ClusterPods(cluster).watch_pods():
            if kind == "ADDED":
                with self.changed:
                    self.seen[pod["metadata"]["name"]] = time.perf_counter()
                    self.changed.notify_all()

    def wait(self, name: str, *, timeout_s: float = 20) -> float:
        """When the pod was seen."""
        with self.changed:
            self.changed.wait_for(lambda: name in self.seen, timeout=timeout_s)
            return self.seen[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """Everything a bench needs."""

    stack: Stack
    processes: Processes
    cluster: Cluster
    customer: Customer
    api_key: str
    project: str
    pods: PodClock
    environment: dict[str, str]

    def request(self, **changes: Any) -> dict[str, Any]:
        """A rent for one H200."""
        return {
            "project": self.project,
            "name": "bench",
            "accelerators": ["nvidia-h200"],
            "devices": 1,
            "image": "registry.example/a:1",
            **changes,
        }

    def new_customer(self) -> Customer:
        """One more connection with the same key."""
        return Customer(base_url=self.processes.url, api_key=self.api_key)


@contextmanager
def arena() -> Iterator[Arena]:
    """Start everything, and end it."""
    installation_id = uuid.uuid4()
    with Stack() as stack:
        stack.start(clusters=["bench"])
        cluster = stack.clusters["bench"]
        with step("Nodes and market", expected_s=5):
            names = [f"h200-{index:02d}" for index in range(NODES)]
            for name in names:
                add_node(cluster, kind=NodeKind.H200, name=name)
            wait_nodes_ready(cluster, names=names)
            stack.create_database(name=DATABASE)
            processes = stack.processes(database=DATABASE, installation_id=installation_id, ports=Ports.free())
            processes.start()
            set_up_django(stack.environment(database=DATABASE, login=Login.STAFF, installation_id=installation_id))
            secret, project = _build(cluster)
        customer = Customer(base_url=processes.url, api_key=secret)
        pods = PodClock()
        pods.follow(cluster)
        environment = stack.environment(database=DATABASE, login=Login.WEB, installation_id=installation_id)
        yield Arena(
            stack=stack,
            processes=processes,
            cluster=cluster,
            customer=customer,
            api_key=secret,
            project=project,
            pods=pods,
            environment=environment,
        )


def _build(cluster: Cluster) -> tuple[str, str]:
    from devstack.demo.world import CERTIFIED_CLUSTER, build_world  # noqa: PLC0415 - Django is set up only now
    from marketplace.kernel import ids  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor, system_actor  # noqa: PLC0415
    from marketplace.quotas.models import Quota, ScopeKind, SelectorKind  # noqa: PLC0415
    from marketplace.quotas.operations import set_quota  # noqa: PLC0415
    from marketplace.tenants.api_keys import issue_api_key  # noqa: PLC0415
    from marketplace.tenants.permissions import PERMISSIONS  # noqa: PLC0415

    now = datetime.now(UTC)
    password = secrets.token_urlsafe(12)
    world = build_world(
        kubeconfigs={CERTIFIED_CLUSTER: bootstrap_provider_access(cluster)},
        passwords={"engineer": password, "visitor": password, "operator": password},
        now=now,
    )
    actor = system_actor("bench")
    with as_actor(actor):
        for quota in Quota.objects.filter(tenant_id=world.bank.tenant.id).order_by("-scope_kind"):  # the tenant first
            set_quota(
                actor=actor, tenant_id=quota.tenant_id, scope_kind=ScopeKind(quota.scope_kind), scope_id=quota.scope_id,
                selector_kind=SelectorKind(quota.selector_kind), selector=quota.selector, limit=100_000, now=now,
            )  # fmt: skip
        issued = issue_api_key(actor=actor, project=world.bank.project, name="bench", scopes=PERMISSIONS, now=now)
    return issued.secret, ids.format_id(prefix="prj", value=world.bank.project.id)

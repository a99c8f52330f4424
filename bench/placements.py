"""R4: placements per second at 1,000 nodes, against one-statement SQL and against kube-scheduler with the same pods and nodes.

Ours is the admitter's pass over queued requests of ten organizations with quotas and a data class: rules judged again, shares
looked at, devices promised under locks, decision and transition of each written and committed. Quota is taken when a request is
made, so making the requests is measured beside it (`R4r`). The first baseline takes the fullest node that fits by one UPDATE and
commits, one request after the other: no rule, no quota, no record. The second is kube-scheduler, which finds all pods waiting when
it is let run.
`python -m bench.placements` needs no Ondol processes; `--without-kubernetes` leaves the second baseline out.
"""

import argparse
import http.client
import itertools
import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from bench.figures import Figure, cpu_s, spread_of
from bench.renting import ratio_figure
from devstack.in_process import set_up_django
from devstack.kubernetes.control_plane import Cluster, LocalCluster
from devstack.kubernetes.nodes import NodeKind, add_node, wait_nodes_ready
from devstack.postgres import Login
from devstack.stack import Stack
from devstack.watching import ClusterPods

if TYPE_CHECKING:
    from tests.market import Renter

NODES: Final = 1_000
DEVICES: Final = 8
TENANTS: Final = 10
MIX: Final = (1, 1, 2, 1, 4, 1, 2, 1, 8, 1, 2, 1, 4, 1, 2, 1, 1, 2, 4, 8)
"""Devices of twenty requests; half of them ask for one."""
BATCH: Final = 200
ROUNDS: Final = 6
DATABASE: Final = "placements"
NAMESPACE: Final = "bench-placements"

_TABLE: Final = """
CREATE TABLE bench_stock (id int PRIMARY KEY, free int NOT NULL);
CREATE INDEX ON bench_stock (free, id);
INSERT INTO bench_stock SELECT n, %d FROM generate_series(1, %d) n;
"""
_BEST_FIT: Final = """
UPDATE bench_stock s SET free = s.free - %(devices)s
FROM (SELECT id FROM bench_stock WHERE free >= %(devices)s ORDER BY free, id LIMIT 1 FOR UPDATE) fullest WHERE s.id = fullest.id
"""


def main() -> int:
    """Measure everything in one run, the ways in turn; print, or write JSON for `python -m bench`."""
    parser = argparse.ArgumentParser(prog="bench.placements")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--without-kubernetes", action="store_true")
    arguments = parser.parse_args()
    with Stack() as stack:
        clusters = [] if arguments.without_kubernetes else ["bench"]
        stack.start(clusters=clusters)
        stack.create_database(name=DATABASE)
        set_up_django(stack.environment(database=DATABASE, login=Login.TEST, installation_id=uuid.uuid4()))
        figures = _measure(stack, [SchedulerWay(stack.clusters[name]) for name in clusters])
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([figure.as_json() for figure in figures]), encoding="utf-8")
        return 0
    for figure in figures:
        sys.stdout.write("  ".join(figure.row()) + "\n")
    return 0


def _measure(stack: Stack, schedulers: list["SchedulerWay"]) -> list[Figure]:
    began = cpu_s()
    ours, sql = OurWay(), SqlWay(stack)
    ways: list[Callable[[], float]] = [ours.per_second, sql.per_second, *(way.per_second for way in schedulers)]
    for way in ways:
        way()
    ours.rented.clear()
    seen: list[list[float]] = [[] for _ in ways]
    for index in range(ROUNDS):
        order = range(len(ways)) if index % 2 == 0 else reversed(range(len(ways)))
        for place in order:
            seen[place].append(ways[place]())
    cpu = cpu_s() - began
    what = f"placements per second, {NODES:,} nodes, {BATCH} waiting"
    figures = [
        ratio_figure(
            code="R4", what=f"{what}; baseline one UPDATE each", unit="/s", left=seen[0], right=seen[1], goal=0.5, cpu=cpu
        ),
        Figure(
            code="R4r", what="the same with making the requests, which takes the quota", unit="/s",
            ours=median(ours.rented), baseline=median(seen[1]), ratio=median(ours.rented) / median(seen[1]),
            spread=spread_of(seen[1]), goal="", meets_goal=None, cpu_s=cpu, note="for information",
        ),
    ]  # fmt: skip
    if schedulers:
        figures.append(
            ratio_figure(
                code="R4", what=f"{what}; baseline kube-scheduler", unit="/s", left=seen[0], right=seen[2], goal=1.0, cpu=cpu
            )
        )  # fmt: skip
    return figures


class OurWay:
    """Requests of ten organizations, and the admitter's pass over them."""

    def __init__(self) -> None:
        """Write the market; Django is set up."""
        from marketplace.kernel import clock  # noqa: PLC0415 - Django is set up only now
        from marketplace.kernel.actors import as_actor  # noqa: PLC0415
        from tests.market import STAFF, add_renter, add_stock, build_market  # noqa: PLC0415

        self._clock = clock
        self.rented: list[float] = []
        since = clock.now() - timedelta(hours=1)
        market = build_market(now=since)
        self._tenants = [add_renter(name=f"기관 {number}", quota=100_000, now=since) for number in range(TENANTS)]
        with as_actor(STAFF):
            for number in range(NODES - 1):
                add_stock(market, name=_node(number), now=since)

    def per_second(self) -> float:
        """Placements per second of one pass; `rented` gets the figure with making the requests in it."""
        from marketplace.journeys.admit import admit_pass  # noqa: PLC0415
        from tests.market import see_clusters  # noqa: PLC0415

        start = time.perf_counter()
        for number, devices in zip(range(BATCH), itertools.cycle(MIX), strict=False):
            self._rent(self._tenants[number % TENANTS], devices)
        # However long that took, the cluster has answered just now.
        see_clusters(now=self._clock.now())
        waiting = time.perf_counter()
        placed = admit_pass(holder="bench", now=self._clock.now()).placed
        end = time.perf_counter()
        if placed != BATCH:
            raise RuntimeError(f"{placed} of {BATCH} were placed")
        self.rented.append(BATCH / (end - start))
        return BATCH / (end - waiting)

    def _rent(self, renter: "Renter", devices: int) -> None:
        from tests.market import rent_as  # noqa: PLC0415

        rent_as(renter, devices=devices, now=self._clock.now())


class SqlWay:
    """The fullest node that fits, by one statement and one commit per request."""

    def __init__(self, stack: Stack) -> None:
        """Make the table."""
        self._connection = stack.shared.access.admin_connection(database=DATABASE)
        self._connection.execute(_TABLE % (DEVICES, NODES))

    def per_second(self) -> float:
        """Placements per second."""
        start = time.perf_counter()
        for _, devices in zip(range(BATCH), itertools.cycle(MIX), strict=False):
            if self._connection.execute(_BEST_FIT, {"devices": devices}).rowcount != 1:
                raise RuntimeError("nothing is free")
        return BATCH / (time.perf_counter() - start)


class SchedulerWay:
    """kube-scheduler: pods are made while it is stopped, then it is let run until all are bound."""

    def __init__(self, cluster: Cluster) -> None:
        """Add the nodes."""
        if not isinstance(cluster, LocalCluster):
            raise TypeError("only a cluster of devstack lets its scheduler be stopped")
        self._cluster = cluster
        names = [_node(number) for number in range(NODES)]
        for name in names:
            add_node(cluster, kind=NodeKind.H200, name=name)
        wait_nodes_ready(cluster, names=names, timeout_s=300)
        cluster.api.create("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self._pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
        self._numbers = itertools.count()
        self._bound: set[str] = set()
        self._changed = threading.Condition()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            try:
                for _kind, pod in ClusterPods(self._cluster, self._pods).watch_pods():
                    if pod["spec"].get("nodeName"):
                        with self._changed:
                            self._bound.add(pod["metadata"]["name"])
                            self._changed.notify_all()
            except (OSError, http.client.HTTPException):
                continue

    def per_second(self) -> float:
        """Pods bound per second. Nodes do nothing meanwhile, so that starting pods takes no time from binding others."""
        pids = self._cluster.pids()
        os.kill(pids["kube-scheduler"], signal.SIGSTOP)
        names = [self._create(devices) for _, devices in zip(range(BATCH), itertools.cycle(MIX), strict=False)]
        os.kill(pids["kwok"], signal.SIGSTOP)
        start = time.perf_counter()
        os.kill(pids["kube-scheduler"], signal.SIGCONT)
        with self._changed:
            is_done = self._changed.wait_for(lambda: self._bound.issuperset(names), timeout=120)
        end = time.perf_counter()
        # Gone before the nodes wake up, so that starting them does not slow down the next measurement.
        self._cluster.api.request("DELETE", self._pods, body={"gracePeriodSeconds": 0})
        os.kill(pids["kwok"], signal.SIGCONT)
        if not is_done:
            raise RuntimeError("kube-scheduler did not bind every pod")
        return BATCH / (end - start)

    def _create(self, devices: int) -> str:
        name = f"pod-{next(self._numbers)}"
        resources: dict[str, Any] = {
            "cpu": str(16 * devices),
            "memory": f"{100_000 * devices}Mi",
            "nvidia.com/gpu": str(devices),
        }
        container = {"name": "main", "image": "registry.example/a:1", "resources": {"limits": resources}}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        }
        self._cluster.api.create(self._pods, body)
        return name


def _node(number: int) -> str:
    return f"h200-{number:04d}"


if __name__ == "__main__":
    sys.exit(main())

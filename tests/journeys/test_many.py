"""Five hundred requests of every kind on two real control planes: the scheduler binds what was chosen, and nothing is left."""

import random
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from devstack.kubernetes.control_plane import Cluster
from devstack.kubernetes.nodes import SHAPES, NodeKind, add_node, remove_node, wait_nodes_ready
from devstack.recompute import Recorder, recompute
from devstack.watching import ClusterPods
from tests.journeys.conftest import NODES, Entry, Market
from tests.journeys.usage import INSTANCE_LABEL, assert_usage_agrees, wait_for
from tests.stateful import oracle

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_500)]

REQUESTS: Final = 500
SEED: Final = 20_261_124
SAMPLED: Final = 60
MORE: Final[Mapping[str, Mapping[NodeKind, int]]] = {
    "home": {NodeKind.H200: 9, NodeKind.A100_MIG: 1},
    "away": {NodeKind.H200: 4, NodeKind.RNGD: 3, NodeKind.ATOM: 3},
}
"""Simulated nodes beside those of the shared market: 120 whole GPUs, 112 partitions and 64 NPUs in all."""
H200, MIG, RNGD, ATOM = "nvidia-h200", "nvidia-a100-80g-mig-1g-10gb", "furiosa-rngd", "rebellions-atom"
CODES: Final = {NodeKind.H200: H200, NodeKind.A100_MIG: MIG, NodeKind.RNGD: RNGD, NodeKind.ATOM: ATOM}
SHAPES_ASKED: Final = (
    (24, "personal-credit", [H200], (1, 2, 4, 8), 1),
    (10, "personal-credit", [MIG], (1, 2, 3, 7), 1),
    (6, "personal-credit", [H200, MIG], (1, 2), 1),
    (5, "personal-credit", [H200], (8, 2), 2),
    (15, "open", [H200], (1, 2, 4, 8), 1),
    (12, "open", [RNGD], (1, 2, 4, 8), 1),
    (12, "open", [ATOM], (1, 2, 4, 8), 1),
    (8, "open", [RNGD, ATOM], (1, 2), 1),
    (5, "open", [H200, RNGD, ATOM], (1, 4), 1),
    (3, "open", [RNGD], (4, 8), 2),
)
"""Weight, data class, accelerators that would do, devices on each node, the most nodes."""


@dataclass(slots=True)
class Scheduler:
    """A source of one cluster's pods that notes what the scheduler did with each.

    Attributes:
        bound: Node by pod, as the scheduler bound it; by (instance, attempt, rank).
        refused: Pods that it could not bind at once.
    """

    source: ClusterPods
    bound: dict[tuple[str, int, int], set[str]] = field(default_factory=dict)
    refused: set[tuple[str, int, int]] = field(default_factory=set)

    def watch_pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The source's events, unchanged."""
        for kind, pod in self.source.watch_pods():
            labels = pod["metadata"].get("labels") or {}
            if INSTANCE_LABEL in labels:
                key = (labels[INSTANCE_LABEL], int(labels["ondol.kr/attempt"]), int(labels.get("ondol.kr/rank", 0)))
                if node := pod["spec"].get("nodeName"):
                    self.bound.setdefault(key, set()).add(node)
                if any(
                    item["type"] == "PodScheduled" and item["status"] == "False"
                    for item in pod["status"].get("conditions", [])
                ):
                    self.refused.add(key)
            yield kind, pod


@contextmanager
def more_nodes(market: Market, labels: dict[str, str]) -> Iterator[dict[str, oracle.Shown]]:
    """The further nodes; what every node of both clusters shows."""
    added: dict[str, tuple[Cluster, NodeKind]] = {}
    for where, kinds in MORE.items():
        for kind, count in kinds.items():
            for number in range(count):
                name = f"many-{where}-{kind}-{number}"
                add_node(market.ondol.clusters[where], kind=kind, name=name, labels=labels)
                added[name] = (market.ondol.clusters[where], kind)
    for where in MORE:
        names = [name for name in added if name.startswith(f"many-{where}-")]
        wait_nodes_ready(market.ondol.clusters[where], names=names)
    kinds_of = {name: kind for name, (_where, kind) in NODES.items()} | {
        name: kind for name, (_c, kind) in added.items()
    }
    wait_for(lambda: known_nodes() >= set(kinds_of), timeout_s=60)
    yield {name: show(kind) for name, kind in kinds_of.items()}
    for name, (cluster, _kind) in added.items():
        remove_node(cluster, name=name)


def show(kind: NodeKind) -> oracle.Shown:
    """What a node of the kind has."""
    shape = SHAPES[kind]
    count = max(shape.devices.values())
    return oracle.Shown(
        is_fit=True, devices={CODES[kind]: (count, count, 0)}, cpu_millis=int(shape.cpu) * 1_000,
        memory_mib=int(shape.memory.removesuffix("Ki")) // 1_024,
    )  # fmt: skip


def known_nodes() -> set[str]:
    """Nodes that Ondol could place on."""
    from marketplace.inventory.models import Node  # noqa: PLC0415 - needs Django
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    with as_actor(STAFF):
        rows = Node.objects.filter(is_ready=True, is_schedulable=True, removed_at__isnull=True)
        return set(rows.values_list("name", flat=True))


def draw(entries: Mapping[str, list[Entry]]) -> list[tuple[Entry, dict[str, Any]]]:
    """The requests, the same at every run."""
    chance = random.Random(SEED)
    asked = []
    for number in range(REQUESTS):
        _weight, data_class, codes, sizes, most = chance.choices(SHAPES_ASKED, [shape[0] for shape in SHAPES_ASKED])[0]
        nodes = chance.randint(2, most) if most > 1 else 1
        body = {"name": f"many-{number}", "accelerators": codes, "devices": chance.choice(sizes), "nodes": nodes}
        asked.append((chance.choice(entries[data_class]), body))
    return asked


def read_places() -> dict[tuple[str, int, int], str]:
    """The node that Ondol chose, by (instance, attempt, rank)."""
    from marketplace.instances.models import Allocation  # noqa: PLC0415 - needs Django
    from marketplace.kernel import ids  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    with as_actor(STAFF):
        rows = Allocation.objects.values_list("instance_id", "attempt", "rank", "stock__node__name")
        return {
            (ids.format_id(prefix="ins", value=instance_id), attempt, rank): node
            for instance_id, attempt, rank, node in rows
        }


def read_steps(instance_ids: list[str]) -> Mapping[str, tuple[str, str, float, float]]:
    """State, its reason, seconds waited until it ran, seconds since; by instance."""
    from marketplace.instances.models import Instance  # noqa: PLC0415 - needs Django
    from marketplace.kernel import clock, ids  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    now = clock.now()
    wanted = [ids.parse_id(prefix="ins", text=text) for text in instance_ids]
    with as_actor(STAFF):
        rows = Instance.objects.filter(id__in=wanted).values_list(
            "id", "state", "state_reason", "created_at", "started_at", "state_changed_at"
        )
        return {
            ids.format_id(prefix="ins", value=key): (
                state, reason, (started - created).total_seconds() if started else 0.0, (now - changed).total_seconds(),
            )
            for key, state, reason, created, started, changed in rows
        }  # fmt: skip


def count_requeues() -> int:
    """Placements that the scheduler could not bind in time, so that they were queued again as docs/queue.md says."""
    from marketplace.instances.models import Transition  # noqa: PLC0415 - needs Django
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    with as_actor(STAFF):
        return Transition.objects.filter(to_state="stopping", reason="unschedulable").count()


def test_five_hundred_mixed_requests_are_bound_where_they_were_promised(
    market: Market, node_labels: dict[str, str]
) -> None:
    """Gangs, partitions and NPUs of twelve organizations; oracle Q holds all the while, and each pod is where it should be."""
    from django.db import connection  # noqa: PLC0415 - needs Django

    clusters = market.ondol.clusters
    entries = {
        data_class: [market.enter(quota=2_000, data_classes=(data_class,)) for _ in range(6)]
        for data_class in ("personal-credit", "open")
    }
    watched = {name: Scheduler(source=ClusterPods(cluster)) for name, cluster in clusters.items()}
    recorders = [Recorder(source=source) for source in watched.values()]
    session = oracle.connect(connection.settings_dict)
    with more_nodes(market, node_labels) as shown:
        for recorder in recorders:
            recorder.start()
        rented, seen = work(draw(entries), shown, session)
        bound = {key: nodes for source in watched.values() for key, nodes in source.bound.items()}
        refused = {key for source in watched.values() for key in source.refused}
        chosen = {key: node for key, node in read_places().items() if key[0] in rented}
        elsewhere = {key: nodes for key, nodes in bound.items() if key in chosen and nodes != {chosen[key]}}
        records = [record for recorder in recorders for record in list(recorder.records.values())]
        usages = recompute(records)
        figures = {
            **seen,
            "pods": len(bound),
            "bound elsewhere": len(elsewhere),
            "not bound at once": len(refused),
            "requeued": count_requeues(),
        }
        print(figures)  # noqa: T201 - the figures of the run
        assert elsewhere == {}
        assert bound.keys() >= {key for key in chosen if key not in refused}
        assert [
            name
            for name, cluster in clusters.items()
            if cluster.api.list(f"/api/v1/pods?labelSelector={INSTANCE_LABEL}")
        ] == []
        singles = [key for key, (_entry, body) in rented.items() if body["nodes"] == 1]
        for instance_id in random.Random(SEED).sample(singles, SAMPLED):
            own = [usage for usage in usages if usage.instance == instance_id]
            assert_usage_agrees(rented[instance_id][0].customer, instance_id, own, deletion_late_s=60)
        for recorder in recorders:
            recorder.stop()
    session.close()


def raise_failures(jobs: Iterable[Future[None]]) -> None:
    """Those that are done must have gone well."""
    for job in jobs:
        if job.done():
            job.result()


def work(
    asked: list[tuple[Entry, dict[str, Any]]], shown: Mapping[str, oracle.Shown], session: Any
) -> tuple[dict[str, tuple[Entry, dict[str, Any]]], dict[str, Any]]:
    """Ask for everything at once, end each a little after it runs, until all are gone; what was rented, and figures."""
    from marketplace.kernel import clock  # noqa: PLC0415 - needs Django

    chance = random.Random(SEED + 1)
    rented: dict[str, tuple[Entry, dict[str, Any]]] = {}
    ending: set[str] = set()
    looks, queue_most, began = 0, 0, time.monotonic()

    def ask(item: tuple[Entry, dict[str, Any]]) -> None:
        rented[item[0].rent(**item[1])] = item

    def end(instance_id: str) -> None:
        rented[instance_id][0].customer.act(instance_id, "end")

    before = oracle.take(session, now=clock.now())
    with ThreadPoolExecutor(max_workers=6) as pool:
        asking = [pool.submit(ask, item) for item in asked]
        while True:
            raise_failures(asking)
            after = oracle.take(session, now=clock.now())
            assert [*oracle.wrong_in(after), *oracle.wrong_between(before, after, shown)] == []
            before, looks = after, looks + 1
            steps = read_steps(list(rented))
            states = Counter(state for state, *_rest in steps.values())
            queue_most = max(queue_most, states["queued"])
            for instance_id, (state, _reason, _waited, since) in steps.items():
                if state == "running" and since > 1 + 4 * chance.random() and instance_id not in ending:
                    ending.add(instance_id)
                    asking.append(pool.submit(end, instance_id))
            if states["ended"] == len(asked):
                break
            assert time.monotonic() - began < 1_200, states
            time.sleep(0.5)
    reasons = Counter(reason for _state, reason, *_rest in steps.values())
    assert reasons == {"end_requested": len(asked)}, reasons
    waits = sorted(waited for _state, _reason, waited, _since in steps.values())
    return rented, {
        "requests": len(asked), "seconds": round(time.monotonic() - began), "looks of the oracle": looks, "most queued": queue_most,
        "wait p50": round(statistics.median(waits), 1), "wait p95": round(waits[int(len(waits) * 0.95)], 1),
    }  # fmt: skip

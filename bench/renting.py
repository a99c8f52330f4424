"""Renting: how long the call takes, how much later the pod exists than a raw POST of it, and how many per second."""

import copy
import http.client
import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from bench.arena import Arena
from bench.figures import Figure, cpu_s, interleave, percentile, spread_of

SAMPLES_PER_ROUND = 12
ROUNDS = 6
LOAD_PER_S = 10
LOAD_S = 12
BATCH = 40
CLIENTS = 8
_names = itertools.count()


def bench_calls(arena: Arena) -> list[Figure]:
    """`POST /instances` at a fixed rate of arrivals, open loop: latency from the planned instant, p50 and p99."""
    began = cpu_s()
    latencies: list[float] = []
    rented: list[str] = []
    start = time.perf_counter() + 0.2

    def call(index: int) -> None:
        planned = start + index / LOAD_PER_S
        time.sleep(max(0.0, planned - time.perf_counter()))
        customer = customers[index % CLIENTS]
        rented.append(customer.post("/instances", arena.request(max_wait_s=0))["id"])
        latencies.append((time.perf_counter() - planned) * 1000)

    customers = [arena.new_customer() for _ in range(CLIENTS)]
    with ThreadPoolExecutor(max_workers=CLIENTS) as pool:
        list(pool.map(call, range(LOAD_PER_S * LOAD_S)))
    _end(arena, rented)
    note = f"open loop, {LOAD_PER_S}/s, {len(latencies)} calls"
    return [
        Figure(
            code=code, what=f"API rent call, {name}", unit="ms", ours=percentile(latencies, share), baseline=None, ratio=None,
            spread=None, goal="≤ 1 s" if share > 0.9 else "", meets_goal=percentile(latencies, share) <= 1_000,
            cpu_s=cpu_s() - began, note=note,
        )
        for code, name, share in (("R6a", "p50", 0.5), ("R6b", "p99", 0.99))
    ]  # fmt: skip


def bench_latency(arena: Arena) -> list[Figure]:
    """From sending the request until a watch shows the pod; ours by the API, the baseline a raw POST of the same pod."""
    began = cpu_s()
    body = _template(arena)
    raw = RawPods(arena, body)
    ours_all: list[float] = []
    raw_all: list[float] = []

    def ours() -> float:
        samples = [_time_rent(arena) for _ in range(SAMPLES_PER_ROUND)]
        ours_all.extend(samples)
        return median(samples)

    def baseline() -> float:
        samples = [raw.time_one() for _ in range(SAMPLES_PER_ROUND)]
        raw_all.extend(samples)
        return median(samples)

    left, right = interleave(ours=ours, baseline=baseline, pairs=ROUNDS)
    raw.close()
    spread = spread_of(right)
    figures = []
    for code, name, share, goal in (("R6c", "p50", 0.5, 50.0), ("R6d", "p99", 0.99, 250.0)):
        added = percentile(ours_all, share) - percentile(raw_all, share)
        figures.append(
            Figure(
                code=code, what=f"rent → pod exists, {name}, added to a raw POST", unit="ms", ours=percentile(ours_all, share),
                baseline=percentile(raw_all, share), ratio=added, spread=spread, goal=f"+{goal:.0f} ms",
                meets_goal=added <= goal, cpu_s=cpu_s() - began, note=f"{len(left)} × {SAMPLES_PER_ROUND}; ratio = ms added",
            )
        )  # fmt: skip
    return figures


def bench_throughput(arena: Arena) -> Figure:
    """Instances by eight clients until all their pods exist, per second, against eight connections posting the same pods raw."""
    began = cpu_s()
    body = _template(arena)

    share = range(BATCH // CLIENTS)

    def ours() -> float:
        customers = [arena.new_customer() for _ in range(CLIENTS)]
        start = time.perf_counter()
        with ThreadPoolExecutor(max_workers=CLIENTS) as pool:
            made = pool.map(lambda one: [one.post("/instances", arena.request())["id"] for _ in share], customers)
            ids = list(itertools.chain.from_iterable(made))
        last = max(arena.pods.wait(_pod_name(item), timeout_s=60) for item in ids)
        _end(arena, ids)
        return BATCH / (last - start)

    def baseline() -> float:
        connections = [RawPods(arena, body) for _ in range(CLIENTS)]
        start = time.perf_counter()
        with ThreadPoolExecutor(max_workers=CLIENTS) as pool:
            made = pool.map(lambda one: [one.create() for _ in share], connections)
            names = list(itertools.chain.from_iterable(made))
        last = max(arena.pods.wait(name, timeout_s=60) for name in names)
        for name in names:
            connections[0].delete(name)
        _settle(arena)
        for connection in connections:
            connection.close()
        return BATCH / (last - start)

    left, right = interleave(ours=ours, baseline=baseline)
    return ratio_figure(
        code="R5", what=f"instances per second, {CLIENTS} clients, batches of {BATCH}", unit="/s", left=left, right=right,
        goal=0.25, cpu=cpu_s() - began,
    )  # fmt: skip


def ratio_figure(
    *, code: str, what: str, unit: str, left: list[float], right: list[float], goal: float, cpu: float
) -> Figure:
    """A ratio of medians, void when the baseline is not steady."""
    spread = spread_of(right)
    is_void = spread > 0.15
    ratio = median(left) / median(right)
    return Figure(
        code=code, what=what, unit=unit, ours=median(left), baseline=median(right), ratio=None if is_void else ratio,
        spread=spread, goal=f"≥ {goal}", meets_goal=None if is_void else ratio >= goal, cpu_s=cpu,
        note=f"void: the baseline spreads too far (would be {ratio:.2f})" if is_void else f"{len(left)} pairs",
    )  # fmt: skip


class RawPods:
    """The baseline: one kept connection that posts a pod and nothing else."""

    def __init__(self, arena: Arena, body: dict[str, Any]) -> None:
        """Connect as the cluster's administrator."""
        self._arena = arena
        self._body = body
        api: Any = arena.cluster.api
        parts = urlsplit(arena.cluster.server)
        self._connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=api._context)  # noqa: SLF001 - the devstack's own client has the only context
        self._headers = {**api._headers, "Content-Type": "application/json"}  # noqa: SLF001
        self._path = f"/api/v1/namespaces/{body['metadata']['namespace']}/pods"

    def create(self) -> str:
        """POST one pod; its name."""
        body = copy.deepcopy(self._body)
        name = f"raw-{next(_names)}"
        body["metadata"]["name"] = name
        self._send("POST", self._path, body)
        return name

    def time_one(self) -> float:
        """Milliseconds from sending the POST until a watch shows the pod; then it is deleted."""
        start = time.perf_counter()
        name = self.create()
        seen = self._arena.pods.wait(name)
        self.delete(name)
        return (seen - start) * 1000

    def delete(self, name: str) -> None:
        """Delete at once."""
        self._send("DELETE", f"{self._path}/{name}", {"gracePeriodSeconds": 0})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _send(self, method: str, path: str, body: dict[str, Any]) -> None:
        self._connection.request(method, path, json.dumps(body), self._headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:300]!r}")


def _template(arena: Arena) -> dict[str, Any]:
    """The pod that Ondol makes, without what the server added and without our labels, so that nobody takes it for ours."""
    instance = arena.customer.post("/instances", arena.request())["id"]
    arena.customer.wait_for_state(instance, "running", timeout_s=30)
    pod = next(
        item for item in arena.cluster.api.list("/api/v1/pods") if item["metadata"]["name"] == _pod_name(instance)
    )
    arena.customer.act(instance, "end")
    arena.customer.wait_for_state(instance, "ended", timeout_s=30)
    spec = copy.deepcopy(pod["spec"])
    spec.pop("nodeName", None)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": pod["metadata"]["namespace"], "labels": {"bench": "raw"}},
        "spec": spec,
    }


def _time_rent(arena: Arena) -> float:
    start = time.perf_counter()
    instance = arena.customer.post("/instances", arena.request())["id"]
    seen = arena.pods.wait(_pod_name(instance))
    arena.customer.act(instance, "end")
    arena.customer.wait_for_state(instance, "ended", timeout_s=30)
    return (seen - start) * 1000


def _pod_name(instance_id: str) -> str:
    return instance_id.replace("_", "-") + "-1"


def _end(arena: Arena, ids: list[str]) -> None:
    for item in ids:
        if arena.customer.get(f"/instances/{item}")["state"] not in ("ended", "stopping"):
            arena.customer.act(item, "end")
    for item in ids:
        arena.customer.wait_for_state(item, "ended", timeout_s=60)


def _settle(arena: Arena) -> None:
    """Wait until the watcher has seen that the raw pods' devices are free again."""
    quote = {"project": arena.project, "accelerators": ["nvidia-h200"], "devices": 8}
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and arena.customer.post("/quotes", quote)["offers"][0]["availability"] != "now":
        time.sleep(0.1)

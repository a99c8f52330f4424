"""What should the invoice say? Recomputed from the API servers' pod objects alone, without a line of product code.

A recorder follows the pods of a cluster from before the first one exists, as an auditor would, and keeps every version that the
API server sends. From these: start = the main container's `startedAt` (first one), end = the earliest of the container's
`finishedAt` and the instant at which deletion was asked for (`deletionTimestamp` minus the grace period). Times are floored to
the second; end ≤ start is no usage. What of it is excused follows from the nodes' conditions and leases: from a node's last lease
renewal before it was not ready until it was ready again. A stop is accepted by Ondol a moment before it asks the cluster to delete,
so the two ends may fall on different sides of a second: the tolerance is one second per transition (faults.md, oracle U).
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

RENTED_LABEL: Final = "ondol.kr/instance"
MAIN_CONTAINER: Final = "main"


class PodSource(Protocol):
    """A cluster's pods as a list and then a stream of changes."""

    def watch_pods(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """Yield (event type, pod) for every pod, beginning with those that exist; ends when the connection ends."""


@dataclass(slots=True)
class PodRecord:
    """The newest version of one pod and when its deletion was seen."""

    pod: dict[str, Any]
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Recomputed running time of one pod."""

    instance: str
    pod_uid: str
    node: str
    devices: int
    started_at: datetime
    ended_at: datetime

    @property
    def device_seconds(self) -> int:
        """Whole device-seconds."""
        return self.devices * int((self.ended_at - self.started_at).total_seconds())


@dataclass(slots=True)
class Recorder:
    """Follows one cluster's pods on a thread of its own; restarts its watch when it ends."""

    source: PodSource
    records: dict[str, PodRecord] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to record."""
        threading.Thread(target=self._follow, name="recorder", daemon=True).start()

    def stop(self) -> None:
        """Record no more."""
        self._stopping.set()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                for kind, pod in self.source.watch_pods():
                    self._keep(kind, pod)
            except OSError:
                self._stopping.wait(0.2)

    def _keep(self, kind: str, pod: dict[str, Any]) -> None:
        record = self.records.setdefault(pod["metadata"]["uid"], PodRecord(pod=pod))
        record.pod = pod
        if kind == "DELETED":
            record.deleted_at = datetime.now(UTC)


@dataclass(slots=True)
class HealthRecorder:
    """Follows one cluster's nodes and their leases, each on a thread of its own.

    Attributes:
        renewals: By node, in the order in which they were heard.
        changes: By node: (whether it is ready, since when, when that was heard), in order, without repetitions.
    """

    nodes: PodSource
    leases: PodSource
    renewals: dict[str, list[datetime]] = field(default_factory=dict)
    changes: dict[str, list[tuple[bool, datetime, datetime]]] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to record."""
        for source, keep in ((self.nodes, self._keep_node), (self.leases, self._keep_lease)):
            threading.Thread(target=self._follow, args=(source, keep), name="health-recorder", daemon=True).start()

    def stop(self) -> None:
        """Record no more."""
        self._stopping.set()

    def _follow(self, source: PodSource, keep: Callable[[dict[str, Any]], None]) -> None:
        while not self._stopping.is_set():
            try:
                for _kind, item in source.watch_pods():
                    keep(item)
            except OSError:
                self._stopping.wait(0.2)

    def _keep_node(self, node: dict[str, Any]) -> None:
        for condition in node.get("status", {}).get("conditions", []):
            if condition["type"] == "Ready":
                since = datetime.fromisoformat(condition["lastTransitionTime"])
                change = (condition["status"] == "True", since, datetime.now(UTC))
                known = self.changes.setdefault(node["metadata"]["name"], [])
                if not known or known[-1][0] != change[0]:
                    known.append(change)

    def _keep_lease(self, lease: dict[str, Any]) -> None:
        renewed = _instant(lease.get("spec", {}).get("renewTime"))
        if renewed is not None:
            self.renewals.setdefault(lease["metadata"]["name"], []).append(renewed)

    def outages(self, node: str) -> list[tuple[datetime, datetime | None]]:
        """When the node was not to be relied on, floored to the second; the last one may go on.

        Simulated nodes keep the transition time of their first readiness: a time before the outage is not that of its end.
        """
        found: list[tuple[datetime, datetime | None]] = []
        for is_ready, since, seen_at in self.changes.get(node, []):
            if is_ready and found and found[-1][1] is None:
                end = since if since > found[-1][0] else seen_at
                found[-1] = (found[-1][0], end.replace(microsecond=0))
            elif not is_ready:
                heard = [at for at in self.renewals.get(node, []) if at <= seen_at]
                found.append((max(heard, default=since).replace(microsecond=0), None))
        return found


def excused_device_seconds(usage: Usage, outages: Iterable[tuple[datetime, datetime | None]]) -> int:
    """How much of a pod's running time fell into its node's outages."""
    seconds = 0
    for start, end in outages:
        inside = min(usage.ended_at, end or usage.ended_at) - max(usage.started_at, start)
        seconds += max(0, int(inside.total_seconds()))
    return usage.devices * seconds


def recompute(records: Iterable[PodRecord]) -> list[Usage]:
    """Usage of every rented pod that ran, in order of start."""
    found = [usage for record in records if (usage := _usage(record)) is not None]
    return sorted(found, key=lambda usage: (usage.started_at, usage.pod_uid))


def _usage(record: PodRecord) -> Usage | None:
    metadata = record.pod["metadata"]
    instance = metadata.get("labels", {}).get(RENTED_LABEL)
    started, finished = _main_container_times(record.pod)
    ends = [instant for instant in (finished, _deletion_asked_at(metadata), record.deleted_at) if instant is not None]
    if instance is None or started is None or not ends:
        return None
    start, end = started.replace(microsecond=0), min(ends).replace(microsecond=0)
    if end <= start:
        return None
    return Usage(
        instance=instance, pod_uid=metadata["uid"], node=record.pod["spec"].get("nodeName", ""),
        devices=_devices(record.pod), started_at=start, ended_at=end,
    )  # fmt: skip


def _main_container_times(pod: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] != MAIN_CONTAINER:
            continue
        state = status.get("state", {})
        started = state.get("running", state.get("terminated", {})).get("startedAt")
        finished = state.get("terminated", {}).get("finishedAt")
        return _instant(started), _instant(finished)
    return None, None


def _deletion_asked_at(metadata: dict[str, Any]) -> datetime | None:
    """The API server writes the end of the grace period; the request came that much earlier."""
    end = _instant(metadata.get("deletionTimestamp"))
    return None if end is None else end - timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)


def _devices(pod: dict[str, Any]) -> int:
    limits = next(c for c in pod["spec"]["containers"] if c["name"] == MAIN_CONTAINER)["resources"]["limits"]
    return sum(int(amount) for resource, amount in limits.items() if "/" in resource)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One invoice line beside what was recomputed."""

    instance: str
    invoiced_device_seconds: int
    recomputed_device_seconds: int
    tolerance_device_seconds: int
    price_micros_per_device_hour: int
    invoiced_won: int
    recomputed_won: int

    @property
    def agrees(self) -> bool:
        """Seconds within one per transition, and the line's won exactly what its own seconds cost."""
        seconds_off = abs(self.invoiced_device_seconds - self.recomputed_device_seconds)
        cost = self.price_micros_per_device_hour * self.invoiced_device_seconds
        exact_won = (2 * cost + 3_600_000_000) // (2 * 3_600_000_000)
        return seconds_off <= self.tolerance_device_seconds and exact_won == self.invoiced_won


def compare(*, lines: Iterable[dict[str, Any]], usages: Iterable[Usage]) -> list[Comparison]:
    """Each invoice line of the API (`instance`, `device_seconds`, `price_per_device_hour`, `supply_value`) beside the pods."""
    by_instance: dict[str, list[Usage]] = {}
    for usage in usages:
        by_instance.setdefault(usage.instance, []).append(usage)
    comparisons = []
    for line in lines:
        own = by_instance.get(line["instance"], [])
        price = _micros(line["price_per_device_hour"])
        recomputed = sum(usage.device_seconds for usage in own)
        comparisons.append(
            Comparison(
                instance=line["instance"],
                invoiced_device_seconds=int(line["device_seconds"]),
                recomputed_device_seconds=recomputed,
                tolerance_device_seconds=sum(2 * usage.devices for usage in own),
                price_micros_per_device_hour=price,
                invoiced_won=int(line["supply_value"]),
                recomputed_won=(2 * price * recomputed + 3_600_000_000) // (2 * 3_600_000_000),
            )
        )
    return comparisons


def _micros(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * 1_000_000 + int(fraction.ljust(6, "0") or "0")

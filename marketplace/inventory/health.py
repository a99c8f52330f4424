"""How well is a node? Judged from what its cluster shows and what happened on it lately. Pure.

Three levels: *healthy*; *warning*, which a person should look at and customers do not feel; *failed*, with its cause. Some causes
of a failure also call for a quarantine, since Kubernetes itself would go on using the node.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

NOT_READY_FAILED_AFTER: Final = timedelta(minutes=5)
"""Kubernetes itself evicts after five minutes; a shorter absence is a restart."""
INCIDENT_WINDOW: Final = timedelta(hours=1)
FAILED_STARTS_MAX: Final = 3
"""So many failed starts within the window and the node is taken out of sale: fewer may be bad luck, more cost customers time."""
LOSSES_MAX: Final = 3
"""So often not Ready within the window and the node is flapping."""
SHORTAGE_SETTLES_AFTER: Final = timedelta(minutes=5)
"""A vendor's plugin that restarts reports no devices for a minute; a device that is missing for longer is broken."""

_PRESSURES: Final = frozenset({"MemoryPressure", "DiskPressure", "PIDPressure"})
_PROBLEM_ENDINGS: Final = ("Problem", "Error", "Errors", "Failure", "Unhealthy", "Deadlock", "Unavailable")
_PROBLEMS: Final = frozenset({"ReadonlyFilesystem"})
"""How node monitors name a lasting problem; any other condition that is True (say, of an installer) is none."""


class Health(StrEnum):
    """The three levels."""

    HEALTHY = "healthy"
    WARNING = "warning"
    FAILED = "failed"


class Cause(StrEnum):
    """Why a node is not healthy, or stock is in quarantine."""

    NOT_READY = "not_ready"
    CONDITION = "condition"
    DEVICES_MISSING = "devices_missing"
    NO_DEVICES = "no_devices"
    FAILED_STARTS = "failed_starts"
    FLAPPING = "flapping"
    VERSION_FAILS = "version_fails"
    OPERATOR = "operator"


QUARANTINED_CAUSES: Final = frozenset({Cause.CONDITION, Cause.FAILED_STARTS, Cause.FLAPPING})
"""Failures after which a Ready node would still be used. One that is not Ready, or has no device left, is out of sale anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCount:
    """Devices of one accelerator on a node: what there is, and what its plugin calls usable."""

    accelerator: str
    capacity: int
    allocatable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """What is known of a node.

    Attributes:
        conditions: Types of conditions that are True, Ready apart.
        failed_starts, losses: Within the window.
    """

    is_ready: bool
    not_ready_since: datetime | None
    conditions: Sequence[str] = ()
    devices: Sequence[DeviceCount] = ()
    failed_starts: int = 0
    losses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, with its numbers."""

    cause: Cause
    level: Health
    facts: Mapping[str, str | int] = field(default_factory=dict)

    def as_json(self) -> dict[str, str | int]:
        """As stored with the node."""
        return {"cause": self.cause.value, "level": self.level.value, **self.facts}


def judge(state: NodeState, *, now: datetime) -> tuple[Health, tuple[Finding, ...]]:
    """The level, and everything that led to it, worst first."""
    findings = tuple(
        sorted(_find(state, now=now), key=lambda finding: (finding.level is not Health.FAILED, finding.cause.value))
    )
    return (findings[0].level if findings else Health.HEALTHY), findings


def is_problem(condition: str) -> bool:
    """Whether a node condition that is True names a lasting problem."""
    return condition in _PROBLEMS or condition.endswith(_PROBLEM_ENDINGS)


def _find(state: NodeState, *, now: datetime) -> Iterable[Finding]:
    if not state.is_ready:
        since = state.not_ready_since
        is_long = since is not None and now - since >= NOT_READY_FAILED_AFTER
        yield Finding(
            cause=Cause.NOT_READY,
            level=Health.FAILED if is_long else Health.WARNING,
            facts={"since": since.isoformat()} if since else {},
        )
    for condition in sorted(state.conditions):
        if condition in _PRESSURES or is_problem(condition):
            level = Health.WARNING if condition in _PRESSURES else Health.FAILED
            yield Finding(cause=Cause.CONDITION, level=level, facts={"condition": condition})
    for count in state.devices:
        missing = count.capacity - count.allocatable
        if missing > 0:
            is_empty = count.allocatable == 0
            yield Finding(
                cause=Cause.NO_DEVICES if is_empty else Cause.DEVICES_MISSING,
                level=Health.FAILED if is_empty else Health.WARNING,
                facts={"accelerator": count.accelerator, "missing": missing, "capacity": count.capacity},
            )
    for cause, number, limit in (
        (Cause.FAILED_STARTS, state.failed_starts, FAILED_STARTS_MAX),
        (Cause.FLAPPING, state.losses, LOSSES_MAX),
    ):
        if number >= (1 if cause is Cause.FAILED_STARTS else limit):
            yield Finding(
                cause=cause, level=Health.FAILED if number >= limit else Health.WARNING, facts={"count": number}
            )


QUARANTINED_SHARE_MAX: Final = 0.25
"""Automatic quarantine stops at this share of a cluster's nodes: when more fail at once, the cause lies elsewhere."""
VERSION_NODES_MIN: Final = 2
VERSION_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionUse:
    """Nodes of one vendor with one version: all, and those whose starts fail."""

    vendor: str
    component: str
    version: str
    nodes: int
    failing: int


def may_quarantine(*, nodes: int, quarantined: int) -> bool:
    """Whether one more node of a cluster may be taken out of sale by itself; the first always may."""
    return quarantined == 0 or (quarantined + 1) <= nodes * QUARANTINED_SHARE_MAX


def is_version_suspect(use: VersionUse) -> bool:
    """Whether starts fail on so many of a version's nodes that the version is to blame: at least two and half of them."""
    return use.failing >= VERSION_NODES_MIN and use.failing >= use.nodes * VERSION_SHARE

"""Health of a node as judged from what is known of it."""

from datetime import UTC, datetime, timedelta

import pytest

from marketplace.inventory.health import (
    Cause,
    DeviceCount,
    Health,
    NodeState,
    VersionUse,
    is_version_suspect,
    judge,
    may_quarantine,
)

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def state(**changes: object) -> NodeState:
    """A node in order, with changes."""
    fine: dict[str, object] = {
        "is_ready": True,
        "not_ready_since": None,
        "devices": [DeviceCount(accelerator="nvidia-h200", capacity=8, allocatable=8)],
    }
    return NodeState(**{**fine, **changes})  # type: ignore[arg-type]


def test_a_node_in_order_is_healthy() -> None:
    assert judge(state(), now=NOW) == (Health.HEALTHY, ())


@pytest.mark.parametrize(("minutes", "level"), [(4, Health.WARNING), (5, Health.FAILED)])
def test_a_short_absence_is_a_warning_and_a_long_one_a_failure(minutes: int, level: Health) -> None:
    found, findings = judge(state(is_ready=False, not_ready_since=NOW - timedelta(minutes=minutes)), now=NOW)
    assert (found, [finding.cause for finding in findings]) == (level, [Cause.NOT_READY])


@pytest.mark.parametrize(
    ("condition", "level"),
    [
        ("DiskPressure", Health.WARNING),
        ("KernelDeadlock", Health.FAILED),
        ("GpuXidErrorsProblem", Health.FAILED),
        ("NetworkUnavailable", Health.FAILED),
        ("InstallerReady", Health.HEALTHY),
    ],
)
def test_conditions_count_by_what_their_name_says(condition: str, level: Health) -> None:
    assert judge(state(conditions=[condition]), now=NOW)[0] is level


@pytest.mark.parametrize(
    ("allocatable", "level", "cause"),
    [(7, Health.WARNING, Cause.DEVICES_MISSING), (0, Health.FAILED, Cause.NO_DEVICES)],
)
def test_missing_devices_are_counted(allocatable: int, level: Health, cause: Cause) -> None:
    devices = [DeviceCount(accelerator="nvidia-h200", capacity=8, allocatable=allocatable)]
    found, findings = judge(state(devices=devices), now=NOW)
    assert (found, findings[0].cause) == (level, cause)
    assert findings[0].facts == {"accelerator": "nvidia-h200", "missing": 8 - allocatable, "capacity": 8}


@pytest.mark.parametrize(("starts", "level"), [(0, Health.HEALTHY), (2, Health.WARNING), (3, Health.FAILED)])
def test_failed_starts_add_up(starts: int, level: Health) -> None:
    assert judge(state(failed_starts=starts), now=NOW)[0] is level


def test_the_worst_finding_decides_and_stands_first() -> None:
    found, findings = judge(state(conditions=["DiskPressure"], losses=3), now=NOW)
    assert found is Health.FAILED
    assert [finding.cause for finding in findings] == [Cause.FLAPPING, Cause.CONDITION]


def test_quarantine_by_itself_stops_at_a_quarter_of_a_cluster() -> None:
    assert may_quarantine(nodes=1, quarantined=0)
    assert [may_quarantine(nodes=8, quarantined=count) for count in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("nodes", "failing", "is_suspect"), [(1, 1, False), (2, 2, True), (4, 2, True), (10, 2, False)]
)
def test_a_version_is_suspect_when_half_of_its_nodes_fail(nodes: int, failing: int, is_suspect: bool) -> None:
    use = VersionUse(vendor="NVIDIA", component="driver", version="580", nodes=nodes, failing=failing)
    assert is_version_suspect(use) is is_suspect

"""What KWOK is told: its stages, which nodes are its own, and where pods' logs come from."""

from pathlib import Path
from typing import Any, Final

import yaml

MANAGED_LABEL: Final = "devstack.invalid/managed"
"""Nodes that KWOK plays. Taking the label away makes KWOK forget the node, as if its machine had lost power."""

OPTIONS: Final[dict[str, Any]] = {
    # Defaults do not apply beside a configuration file, so every one that matters is written out.
    "cidr": "10.64.0.0/16",
    "enableDebuggingHandlers": True,
    "enablePodsOnNodeSyncListPager": False,
    "enablePodsOnNodeSyncStreamWatch": True,
    "manageNodesWithLabelSelector": f"{MANAGED_LABEL}=true",
    "nodeLeaseDurationSeconds": 20,
    "nodeLeaseParallelism": 4,
    "nodePlayStageParallelism": 8,
    "podPlayStageParallelism": 8,
    "podsOnNodeSyncParallelism": 4,
}

LOG_LINES: Final = (
    "2026-01-01T00:00:00.000000000Z stdout F container started",
    "2026-01-01T00:00:01.000000000Z stdout F 장치를 찾았습니다",
    "2026-01-01T00:00:02.000000000Z stderr F ready",
)
"""What every simulated container has logged, in the format of a container runtime's log file."""


def write_configuration(*, directory: Path, stages: Path) -> Path:
    """Write KWOK's configuration file and the containers' log file; returns the former's path."""
    log = directory / "container.log"
    log.write_text("\n".join(LOG_LINES) + "\n", encoding="utf-8")
    own = [
        {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokConfiguration",
            "metadata": {"name": "kwok"},
            "options": OPTIONS,
        },
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterLogs",
            "metadata": {"name": "every-container"},
            "spec": {"logs": [{"logsFile": str(log), "follow": True}]},
        },
    ]
    documents = [yaml.safe_dump(document) for document in own]
    files = [*sorted(stages.glob("*.yaml")), Path(__file__).with_name("pod-reready-stage.yaml")]
    documents += [path.read_text(encoding="utf-8") for path in files if path.name != "storage-class.yaml"]
    configuration = directory / "kwok.yaml"
    configuration.write_text("\n---\n".join(documents), encoding="utf-8")
    return configuration

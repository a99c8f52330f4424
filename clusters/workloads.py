"""Workload rows: opened with an allocation, due when something may differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from clusters.models import Workload
from marketplace.instances.models import Allocation
from marketplace.kernel import ids

NAMESPACE_PREFIX: Final = "ondol-"


def namespace_of(*, project_id: UUID) -> str:
    """The namespace of a project in every cluster: ids only, since user text never becomes structure."""
    return NAMESPACE_PREFIX + ids.format_id(prefix="prj", value=project_id).replace("_", "-")


def pod_name_of(*, instance_id: UUID, attempt: int, rank: int = 0, nodes: int = 1) -> str:
    """The pod's name for one attempt, and in a gang for one rank: deterministic, so that applying twice makes one pod."""
    name = gang_name_of(instance_id=instance_id, attempt=attempt)
    return name if nodes == 1 else f"{name}-{rank}"


def gang_name_of(*, instance_id: UUID, attempt: int) -> str:
    """What the pods of one attempt have in common."""
    return ids.format_id(prefix="ins", value=instance_id).replace("_", "-") + f"-{attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkload:
    """A fresh allocation whose pod has to be brought up.

    Attributes:
        nodes: How many allocations the instance has; more than 1 is a gang.
    """

    allocation: Allocation
    nodes: int
    project_id: UUID
    cluster_id: UUID


def open_workloads(*, workloads: Sequence[NewWorkload], now: datetime) -> None:
    """Have the reconciler bring up the pods of fresh allocations; in the transaction that allocates."""
    Workload.objects.bulk_create(
        Workload(
            tenant_id=new.allocation.tenant_id,
            instance_id=new.allocation.instance_id,
            allocation=new.allocation,
            cluster_id=new.cluster_id,
            namespace=namespace_of(project_id=new.project_id),
            pod_name=pod_name_of(
                instance_id=new.allocation.instance_id,
                attempt=new.allocation.attempt,
                rank=new.allocation.rank,
                nodes=new.nodes,
            ),
            due_at=now,
            created_at=now,
        )
        for new in workloads
    )

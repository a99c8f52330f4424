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


def pod_name_of(*, instance_id: UUID, attempt: int) -> str:
    """The pod's name for one attempt: deterministic, so that applying twice makes one pod."""
    return ids.format_id(prefix="ins", value=instance_id).replace("_", "-") + f"-{attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWorkload:
    """A fresh allocation whose pod has to be brought up."""

    allocation: Allocation
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
            pod_name=pod_name_of(instance_id=new.allocation.instance_id, attempt=new.allocation.attempt),
            due_at=now,
            created_at=now,
        )
        for new in workloads
    )

"""Workload rows: opened with an allocation, due when something may differ."""

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


def open_workload(*, allocation: Allocation, project_id: UUID, cluster_id: UUID, now: datetime) -> Workload:
    """Have the reconciler bring up the pod of a fresh allocation; in the transaction that allocates."""
    return Workload.objects.create(
        tenant_id=allocation.tenant_id,
        instance_id=allocation.instance_id,
        allocation=allocation,
        cluster_id=cluster_id,
        namespace=namespace_of(project_id=project_id),
        pod_name=pod_name_of(instance_id=allocation.instance_id, attempt=allocation.attempt),
        due_at=now,
        created_at=now,
    )

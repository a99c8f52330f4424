"""What instances hold of quotas: the reader that the quotas app asks when a limit is new, and at night."""

from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

from marketplace.instances.models import Instance, InstanceTerm
from marketplace.instances.states import HOLDS_QUOTA
from marketplace.quotas.holders import QuotaDemand


def demand_of(*, instance: Instance, accelerators: Mapping[str, str]) -> QuotaDemand:
    """What one instance asks of the quotas, at rent as at each start.

    Args:
        accelerators: Kind by code, of every offer that it may be placed on.
    """
    return QuotaDemand(
        tenant_id=instance.tenant_id,
        project_id=instance.project_id,
        user_id=instance.created_by_id,
        accelerators=frozenset(accelerators),
        kinds=frozenset(accelerators.values()),
        devices=instance.total_devices,
    )


def read_accelerators(*, instance: Instance) -> Mapping[str, str]:
    """Kind by code of every accelerator in the instance's agreed terms."""
    terms = InstanceTerm.objects.filter(instance_id=instance.id)
    return dict(terms.values_list("offer__accelerator__code", "offer__accelerator__kind"))


def lock_holding_instances(tenant_id: UUID) -> Mapping[UUID, QuotaDemand]:
    """Every instance of a tenant that holds quota, with what it asks for; locked by id until the open transaction ends.

    One that is being stopped meanwhile is waited for, and is then either still holding or not among them.
    """
    rows = Instance.objects.select_for_update(no_key=True).filter(tenant_id=tenant_id, state__in=HOLDS_QUOTA)
    instances = list(rows.order_by("id"))
    terms = InstanceTerm.objects.filter(tenant_id=tenant_id, instance_id__in=[row.id for row in instances])
    accelerators: defaultdict[UUID, dict[str, str]] = defaultdict(dict)
    for instance_id, code, kind in terms.values_list(
        "instance_id", "offer__accelerator__code", "offer__accelerator__kind"
    ):
        accelerators[instance_id][code] = kind
    return {row.id: demand_of(instance=row, accelerators=accelerators[row.id]) for row in instances}

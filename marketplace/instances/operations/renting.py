"""Writing a new instance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.instances.models import Instance, InstanceTerm
from marketplace.instances.operations.moving import _append_transition, condition
from marketplace.instances.states import Reason
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.hints import hint


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSpec:
    """What a customer asks for; texts are passed on as plain strings and never become structure.

    Attributes:
        devices: On each node.
        nodes: More than 1 is a gang: all nodes of one cluster at once, or none.
        is_interruptible: Its devices may be taken back, with notice, for a request that may not be interrupted.
        versions: Ranges that a node's versions must lie in, by component (scheduling.versions).
    """

    name: str
    kind: str
    accelerators: Sequence[str]
    devices: int
    image: str
    command: Sequence[str] = ()
    environment: Mapping[str, str] | None = None
    ssh_public_keys: Sequence[str] = ()
    offer_ids: Sequence[UUID] = ()
    max_price_micros: int | None = None
    max_duration_s: int | None = None
    max_wait_s: int | None = None
    priority: int = 0
    nodes: int = 1
    is_interruptible: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def total_devices(self) -> int:
        """On all nodes together."""
        return self.devices * self.nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedTerm:
    """One offer's price as agreed at rent.

    Attributes:
        price: The whole of it, as plain data that this app keeps and does not read.
    """

    offer_id: UUID
    seller_id: UUID
    selling_mode: str
    price_version_id: UUID
    price_micros_per_device_hour: int
    price: Mapping[str, Any] = field(default_factory=dict)


def create_instance(
    *,
    actor: Actor,
    instance_id: UUID,
    tenant_id: UUID,
    project_id: UUID,
    spec: InstanceSpec,
    terms: Sequence[AgreedTerm],
    now: datetime,
) -> Instance:
    """Write a queued instance with its agreed terms, its first transition and its audit entry.

    Requires an open transaction in which quota was taken for `instance_id`.
    """
    instance = Instance.objects.create(
        id=instance_id,
        tenant_id=tenant_id,
        project_id=project_id,
        name=spec.name,
        kind=spec.kind,
        accelerators=list(spec.accelerators),
        devices=spec.devices,
        nodes=spec.nodes,
        is_interruptible=spec.is_interruptible,
        offer_ids=list(spec.offer_ids),
        versions=dict(spec.versions),
        image=spec.image,
        command=list(spec.command),
        environment=dict(spec.environment or {}),
        ssh_public_keys=list(spec.ssh_public_keys),
        max_price_micros=spec.max_price_micros,
        max_duration_s=spec.max_duration_s,
        max_wait_s=spec.max_wait_s,
        priority=spec.priority,
        state_changed_at=now,
        queued_at=now,
        conditions={
            "PolicySatisfied": condition(status="True", reason="Permitted", now=now),
            "QuotaReserved": condition(status="True", reason="Reserved", now=now),
            "CapacityAllocated": condition(status="False", reason="Queued", now=now),
        },
        created_by_id=actor.user_id,
        created_by_name=actor.name,
        created_at=now,
    )
    InstanceTerm.objects.bulk_create(
        InstanceTerm(
            tenant_id=tenant_id,
            instance=instance,
            offer_id=term.offer_id,
            seller_id=term.seller_id,
            selling_mode=term.selling_mode,
            price_version_id=term.price_version_id,
            price_micros_per_device_hour=term.price_micros_per_device_hour,
            price=dict(term.price),
            agreed_at=now,
        )
        for term in terms
    )
    _append_transition(
        instance, from_state="", trigger="rent", reason=Reason.RENTED, actor_name=actor.name, occurred_at=now, recorded_at=now
    )  # fmt: skip
    record_act(
        actor=actor, action="instance.rented", object_type="ins", object_id=instance.id, tenant_id=tenant_id, now=now,
        changes={"devices": spec.devices, "nodes": spec.nodes, "accelerators": list(spec.accelerators)},
    )  # fmt: skip
    hint("instance.queued", instance.id)
    return instance

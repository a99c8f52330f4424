"""Every write of a quarantine: devices, a node or a version out of sale, by hand or by itself, and back again.

What stands on the stock rows follows in the same transaction, so that nothing is promised there from the commit on. What runs is
left alone: whether to move it is a drain, which somebody decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.health import Cause, Health
from marketplace.inventory.models import Component, Node, NodeStock, Quarantine, QuarantineKind
from marketplace.inventory.stock import mark_quarantined
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, ValidationFailed

DEVICE_IDS_MAX = 64
VERSION_FIELD: Final = {
    Component.DRIVER: "driver_version",
    Component.FIRMWARE: "firmware_version",
    Component.RUNTIME: "runtime_version",
}
"""Which column of a node has the version of a component."""


class QuarantineInvalid(ValidationFailed):
    """More devices than there are, a version no node has, or the same thing twice."""

    code = "quarantine_invalid"


def quarantine_devices(
    *,
    actor: Actor,
    stock_id: UUID,
    devices: int,
    reason: str,
    now: datetime,
    device_ids: Sequence[str] = (),
    cause: Cause = Cause.OPERATOR,
    facts: Mapping[str, Any] | None = None,
) -> Quarantine:
    """Take so many devices of a node out of sale.

    Kubernetes chooses which device a pod gets: until the vendor's plugin reports it unusable, another pod of the node may still be
    given the broken one. One that the plugin reports as well is counted once.

    Raises:
        NotFound: No such stock.
        QuarantineInvalid: Fewer than one, or more than are left.

    Locks the node row, then the stock row.
    """
    stock = NodeStock.objects.select_related("node").filter(id=stock_id).first()
    if stock is None:
        raise NotFound
    Node.objects.select_for_update(no_key=True).get(id=stock.node_id)
    stock.refresh_from_db()
    if not 1 <= devices <= stock.capacity_devices - stock.quarantined_devices:
        left = stock.capacity_devices - stock.quarantined_devices
        raise QuarantineInvalid(
            reason=_("Choose from 1 to %(left)s devices.") % {"left": left}, pointer="/devices", facts={"left": left}
        )
    return _open(
        actor,
        Quarantine(kind=QuarantineKind.DEVICE, stock=stock, devices=devices, device_ids=list(device_ids)[:DEVICE_IDS_MAX]),
        tell={"node": stock.node.name, "devices": devices}, node_ids=[stock.node_id], reason=reason, cause=cause,
        facts=facts, now=now,
    )  # fmt: skip


def quarantine_node(
    *,
    actor: Actor,
    node_id: UUID,
    reason: str,
    now: datetime,
    cause: Cause = Cause.OPERATOR,
    facts: Mapping[str, Any] | None = None,
) -> Quarantine:
    """Take a node out of sale. Safe to repeat: one that is in quarantine stays as it is.

    Raises:
        NotFound: No such node.

    Locks the node row, then its stock rows.
    """
    node = Node.objects.select_for_update(no_key=True).filter(id=node_id).first()
    if node is None:
        raise NotFound
    known = Quarantine.objects.filter(node=node, released_at__isnull=True).first()
    return known or _open(
        actor, Quarantine(kind=QuarantineKind.NODE, node=node), tell={"node": node.name}, node_ids=[node.id],
        reason=reason, cause=cause, facts=facts, now=now,
    )  # fmt: skip


def quarantine_version(
    *,
    actor: Actor,
    vendor: str,
    component: Component,
    version: str,
    reason: str,
    now: datetime,
    cause: Cause = Cause.OPERATOR,
    facts: Mapping[str, Any] | None = None,
) -> Quarantine:
    """Take every device of a vendor out of sale whose node has this version, also nodes that get it later. Safe to repeat.

    Raises:
        QuarantineInvalid: No node has such a version.

    Locks the stock rows that change.
    """
    field = VERSION_FIELD[component]
    nodes = Node.objects.filter(**{field: version}, stock__accelerator__vendor=vendor, removed_at__isnull=True)
    if not version or not nodes.exists():
        raise QuarantineInvalid(reason=_("No node has this version."), pointer="/version")
    key = {"vendor": vendor, "component": component, "version": version}
    known = Quarantine.objects.filter(**key, released_at__isnull=True).first()
    return known or _open(
        actor, Quarantine(kind=QuarantineKind.VERSION, **key), tell=key, node_ids=None, reason=reason, cause=cause,
        facts=facts, now=now,
    )  # fmt: skip


def release_quarantine(*, actor: Actor, quarantine_id: UUID, reason: str, now: datetime) -> Quarantine:
    """Put it on sale again. Safe to repeat. What led to it does not lead to it again; only what happens from now on may.

    Raises:
        NotFound: No such quarantine.

    Locks the quarantine row, then the stock rows that change.
    """
    quarantine = Quarantine.objects.select_for_update(no_key=True).filter(id=quarantine_id).first()
    if quarantine is None:
        raise NotFound
    if quarantine.released_at is not None:
        return quarantine
    quarantine.released_at, quarantine.released_by, quarantine.release_reason = now, actor.name, reason
    quarantine.save(update_fields=["released_at", "released_by", "release_reason"])
    mark_quarantined()
    record_act(
        actor=actor, action="quarantine.released", object_type="qua", object_id=quarantine.id, reason=reason, now=now,
    )  # fmt: skip
    return quarantine


def set_cordon(*, actor: Actor, node_id: UUID, is_cordoned: bool, reason: str, now: datetime) -> Node:
    """Have nothing new placed on a node, or have it again; what runs is left alone. Safe to repeat.

    Raises:
        NotFound: No such node.

    Locks the node row.
    """
    node = Node.objects.select_for_update(no_key=True).filter(id=node_id).first()
    if node is None:
        raise NotFound
    if is_cordoned != (node.cordoned_at is not None):
        node.cordoned_at, node.cordon_reason = (now, reason) if is_cordoned else (None, "")
        node.save(update_fields=["cordoned_at", "cordon_reason"])
        record_act(
            actor=actor, action="node.cordoned" if is_cordoned else "node.uncordoned", object_type="nod",
            object_id=node.id, reason=reason, now=now,
        )  # fmt: skip
    return node


def list_quarantines() -> QuerySet[Quarantine]:
    """All of them, those in force first, the newest first."""
    rows = Quarantine.objects.select_related("node__cluster", "stock__node__cluster", "stock__accelerator")
    return rows.order_by(F("released_at").desc(nulls_first=True), "-started_at")


def list_quarantines_of_node(*, node: Node) -> QuerySet[Quarantine]:
    """Those of the node, of its devices and of its versions; those in force first, the newest first."""
    versions = Q()
    for component, field in VERSION_FIELD.items():
        versions |= Q(component=component, version=getattr(node, field))
    vendors = node.stock.values("accelerator__vendor")
    return list_quarantines().filter(Q(node=node) | Q(stock__node=node) | (Q(vendor__in=vendors) & versions))


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledVersion:
    """One version of a vendor's component, and how many nodes and devices have it.

    Attributes:
        free_devices: That nobody has and that would leave the market with it.
        quarantine: In force; None = on sale.
    """

    vendor: str
    component: Component
    version: str
    nodes: int
    failed_nodes: int
    devices: int
    free_devices: int
    quarantine: Quarantine | None


def list_versions() -> list[InstalledVersion]:
    """Every version that a node has, by vendor, component and version; four queries for any number of nodes."""
    open_ones = {
        (row.vendor, row.component, row.version): row
        for row in Quarantine.objects.filter(kind=QuarantineKind.VERSION, released_at__isnull=True)
    }
    found = []
    for component, field in VERSION_FIELD.items():
        rows = (
            NodeStock.objects.filter(node__removed_at__isnull=True, capacity_devices__gt=0)
            .exclude(**{f"node__{field}": ""})
            .values("accelerator__vendor", f"node__{field}")
            .annotate(
                nodes=Count("node", distinct=True),
                failed=Count("node", distinct=True, filter=Q(node__health=Health.FAILED)),
                devices=Sum("capacity_devices"),
                free=Sum(
                    Greatest(F("allocatable_devices") - F("foreign_devices") - F("allocated_devices"), Value(0)),
                    filter=Q(is_quarantined=False),
                    default=0,
                ),
            )
        )
        for row in rows:
            key = (row["accelerator__vendor"], component.value, row[f"node__{field}"])
            found.append(
                InstalledVersion(
                    vendor=key[0],
                    component=component,
                    version=key[2],
                    nodes=row["nodes"],
                    failed_nodes=row["failed"],
                    devices=row["devices"],
                    free_devices=row["free"],
                    quarantine=open_ones.get(key),
                )
            )
    return sorted(found, key=lambda use: (use.vendor, use.component, use.version))


def _open(
    actor: Actor,
    quarantine: Quarantine,
    *,
    tell: Mapping[str, Any],
    node_ids: Sequence[UUID] | None,
    reason: str,
    cause: Cause,
    facts: Mapping[str, Any] | None,
    now: datetime,
) -> Quarantine:
    quarantine.cause, quarantine.facts, quarantine.reason = cause, dict(facts or {}), reason
    quarantine.started_at, quarantine.started_by = now, actor.name
    quarantine.save(force_insert=True)
    mark_quarantined(node_ids=node_ids)
    record_act(
        actor=actor, action="quarantine.started", object_type="qua", object_id=quarantine.id, reason=reason, now=now,
        changes={**tell, "kind": quarantine.kind, "cause": cause.value},
    )  # fmt: skip
    return quarantine

"""Outages → the instances that they concern, each metered again with all that is known."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Q

from billing.metering.recording import meter_instance
from billing.models import OutageApplication, UsageInterval, UsageKind
from billing.watch import watch_instances
from marketplace.instances.models import Allocation
from marketplace.inventory.models import Outage, OutageKind
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice, resolve_notice

OUTAGES_PER_SWEEP_MAX: Final = 200

_UNAPPLIED: Final = """
SELECT o.id FROM inventory_outage o
WHERE NOT EXISTS (
    SELECT 1 FROM billing_outageapplication a WHERE a.outage_id = o.id
        AND a.state = (o.ended_at IS NOT NULL)::int::text || (o.relisted_at IS NOT NULL)::int::text
            || (o.withdrawn_at IS NOT NULL)::int::text
)
ORDER BY o.created_at LIMIT %s
"""


def list_unapplied() -> list[UUID]:
    """Outages that have changed since the meter took them into account, oldest first; needs a staff actor."""
    with connection.cursor() as cursor:
        cursor.execute(_UNAPPLIED, [OUTAGES_PER_SWEEP_MAX])
        return [row[0] for row in cursor.fetchall()]


def state_of(outage: Outage) -> str:
    """Which of an outage's instants are set that may still be set: each is set once, so this names a state."""
    instants = (outage.ended_at, outage.relisted_at, outage.withdrawn_at)
    return "".join("0" if instant is None else "1" for instant in instants)


def apply_outage(*, actor: Actor, outage_id: UUID, now: datetime) -> int:
    """Meter every instance that an outage concerns, one transaction each, have their tenants' spending looked at, then remember it.

    Safe to repeat; how many.
    """
    with as_actor(actor):
        outage = Outage.objects.select_related("cluster", "node").filter(id=outage_id).first()
        concerned = [] if outage is None else list_concerned(outage=outage)
    if outage is None:
        return 0
    for instance_id in concerned:
        with as_actor(actor):
            meter_instance(instance_id=instance_id, now=now)
    # What was unknown costs nothing; once it is decided, credit and budgets are spent faster than they were last told.
    watch_instances(actor=actor, instance_ids=concerned, now=now)
    with as_actor(actor):
        _tell(outage, concerned=concerned, now=now)
        OutageApplication.objects.bulk_create(
            [OutageApplication(outage=outage, state=state_of(outage))], ignore_conflicts=True
        )
    return len(concerned)


def list_concerned(*, outage: Outage) -> list[UUID]:
    """Instances that had devices at the node, cluster or site during the outage, in order of id."""
    allocations = Allocation.objects.filter(
        Q(released_at__isnull=True) | Q(released_at__gt=outage.started_at), stock__node__cluster__site_id=outage.site_id
    )
    if outage.ended_at is not None:
        allocations = allocations.filter(allocated_at__lt=outage.ended_at)
    if outage.cluster_id is not None:
        allocations = allocations.filter(stock__node__cluster_id=outage.cluster_id)
    if outage.node_id is not None:
        allocations = allocations.filter(stock__node_id=outage.node_id)
    return list(allocations.order_by("instance_id").values_list("instance_id", flat=True).distinct())


def _tell(outage: Outage, *, concerned: Sequence[UUID], now: datetime) -> None:
    """Alarm while time is unknown or a clock is off; the alarm ends with its cause."""
    if outage.kind == OutageKind.CLOCK_SKEW:
        _tell_skew(outage, now=now)
    if outage.kind != OutageKind.CLUSTER_SILENT or outage.cluster is None:
        return
    key = f"usage.unknown:{outage.id}"
    unknown = UsageInterval.objects.filter(
        instance_id__in=concerned, kind=UsageKind.UNKNOWN, superseded_by__isnull=True
    )
    if outage.relisted_at is not None and not unknown.exists():
        resolve_notice(key=key, now=now)
        for (told,) in Allocation.objects.filter(instance_id__in=concerned).values_list("tenant_id").distinct():
            resolve_notice(key=f"{key}:{told}", now=now)
        return
    facts = {
        "cluster": outage.cluster.name,
        "since": outage.started_at.isoformat(timespec="seconds"),
        "instances": len(concerned),
    }
    raise_notice(
        key=key, code="usage.unknown", severity=Severity.CRITICAL, facts=facts, object_type="clu", object_id=outage.cluster_id,
        now=now,
    )  # fmt: skip
    for (affected,) in unknown.values_list("tenant_id").distinct():
        raise_notice(
            key=f"{key}:{affected}", code="usage.unknown_for_tenant", severity=Severity.INFO, tenant_id=affected,
            facts={"since": facts["since"]}, now=now,
        )  # fmt: skip


def _tell_skew(outage: Outage, *, now: datetime) -> None:
    key = f"node.clock_skew:{outage.id}"
    if outage.ended_at is not None or outage.node is None or outage.cluster is None:
        resolve_notice(key=key, now=now)
        return
    raise_notice(
        key=key, code="node.clock_skew", severity=Severity.WARNING, object_type="nod", object_id=outage.node_id, now=now,
        facts={
            "node": outage.node.name, "cluster": outage.cluster.name, "milliseconds": int(outage.evidence["skew_ms"]),
        },
    )  # fmt: skip

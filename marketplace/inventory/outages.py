"""The only writer of outages: what is known of the health of nodes, clusters and sites, as evidence for the meter.

A row is opened, closed once, and never changed; what turned out wrong is withdrawn and stays to be read.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import Cluster, Node, Outage, OutageKind
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, ValidationFailed
from marketplace.kernel.hints import hint

WATCHER: Final = "watcher"
SKEW_MS_MAX: Final = 5_000
"""A node's clock that is farther off than this alarms and is written on its usage."""
NODE_TROUBLES: Final = (OutageKind.NODE_NOT_READY, OutageKind.NODE_LOST)
STATEMENT_CHARACTERS_MAX: Final = 200
STATEMENTS: Final = (OutageKind.SITE_OUTAGE, OutageKind.STATED_UP)


class StatementInvalid(ValidationFailed):
    """A provider's statement about time that is empty, to come, or of another kind than outage or service."""

    code = "statement_invalid"


def record_node_trouble(
    *, cluster_id: UUID, name: str, kind: OutageKind, since: datetime, now: datetime, evidence: Mapping[str, Any]
) -> bool:
    """A node is not ready, or gone, since its last lease renewal; whether that is news. Safe to repeat.

    A node that was not ready and is now gone keeps the earlier row: both excuse, from the same instant on.

    Args:
        since: The last lease renewal, at the latest `now`.
    """
    node = Node.objects.select_related("cluster").filter(cluster_id=cluster_id, name=name).first()
    if node is None:
        return False
    if Outage.objects.filter(node=node, kind__in=NODE_TROUBLES, ended_at__isnull=True).exists():
        return False
    return _open(
        kind=kind, site_id=node.cluster.site_id, cluster_id=cluster_id, node_id=node.id, since=min(since, now), now=now,
        source=WATCHER, evidence=evidence,
    )  # fmt: skip


def record_node_ready(*, cluster_id: UUID, name: str, since: datetime, now: datetime) -> bool:
    """A node is ready (again) since `since`; whether trouble ended. Safe to repeat.

    A time from before the trouble began is not that of its end (some kubelets keep an old transition time): then it ends when
    it was seen to have ended, at `now`.
    """
    rows = Outage.objects.filter(cluster_id=cluster_id, node__name=name, kind__in=NODE_TROUBLES, ended_at__isnull=True)
    ended = _close(rows.filter(started_at__gte=since), ended_at=now)
    return _close(rows, ended_at=min(since, now)) or ended


def record_clock_skew(*, cluster_id: UUID, name: str, skew_ms: int, now: datetime) -> Outage | None:
    """A node's clock is off by `skew_ms` (positive: ahead of us); the open row of it, None when it is right. Repeatable."""
    rows = Outage.objects.filter(
        cluster_id=cluster_id, node__name=name, kind=OutageKind.CLOCK_SKEW, ended_at__isnull=True
    )
    if abs(skew_ms) <= SKEW_MS_MAX:
        _close(rows, ended_at=now)
        return None
    node = Node.objects.select_related("cluster").filter(cluster_id=cluster_id, name=name).first()
    if node is not None:
        _open(
            kind=OutageKind.CLOCK_SKEW, site_id=node.cluster.site_id, cluster_id=cluster_id, node_id=node.id, since=now,
            now=now, source=WATCHER, evidence={"skew_ms": skew_ms},
        )  # fmt: skip
    return rows.first()


def record_silences(*, now: datetime, silence: timedelta) -> int:
    """Open an outage, from its last answer on, for each cluster that has not answered for longer than `silence`; how many.

    Locks those clusters, so that an answer that comes in at the same time ends what is opened here.
    """
    overdue = Cluster.objects.select_for_update(no_key=True).exclude(status="removed")
    opened = 0
    for cluster in overdue.filter(last_seen_at__lt=now - silence).order_by("id"):
        if cluster.last_seen_at is not None:
            opened += _open_silence(cluster, now=now)
    return opened


def _open_silence(cluster: Cluster, *, now: datetime) -> bool:
    return _open(
        kind=OutageKind.CLUSTER_SILENT, site_id=cluster.site_id, cluster_id=cluster.id, node_id=None,
        since=cluster.last_seen_at or now, now=now, source=WATCHER, evidence={},
    )  # fmt: skip


def record_answer(*, cluster_id: UUID, now: datetime, silence: timedelta) -> None:
    """The cluster answered at `now`: a silence ends, also one that nobody noticed because Ondol itself did not look.

    Called before the cluster's row is told that it was seen. Safe to repeat. Locks the cluster.
    """
    cluster = Cluster.objects.select_for_update(no_key=True).get(id=cluster_id)
    if cluster.last_seen_at is not None and now - cluster.last_seen_at > silence:
        _open_silence(cluster, now=now)
    rows = Outage.objects.filter(cluster=cluster, kind=OutageKind.CLUSTER_SILENT, ended_at__isnull=True)
    _close(rows, ended_at=now)


def list_unlisted_silences(*, cluster_id: UUID) -> QuerySet[Outage]:
    """Silences of a cluster after which its pods have not been listed yet."""
    return Outage.objects.filter(
        cluster_id=cluster_id, kind=OutageKind.CLUSTER_SILENT, relisted_at__isnull=True, ended_at__isnull=False
    )


def record_relisted(*, cluster_id: UUID, at: datetime) -> None:
    """All pods of the cluster were listed at `at`: what was not seen then is not there. Safe to repeat.

    In the transaction that keeps what was seen, so that nobody reads the one without the other.
    """
    for outage in list_unlisted_silences(cluster_id=cluster_id):
        Outage.objects.filter(id=outage.id, relisted_at__isnull=True).update(relisted_at=at)
        hint("outage.changed", outage.id)


def record_statement(
    *,
    actor: Actor,
    kind: OutageKind,
    cluster_id: UUID,
    started_at: datetime,
    ended_at: datetime,
    statement: str,
    now: datetime,
    reason: str = "",
) -> Outage:
    """Keep what a provider states of a cluster: that it was down (excused) or that it served (metered where unknown). Audited.

    Args:
        statement: The document: number, date, who signed.
        reason: Of the operator who records it, for the audit log; default: the statement.

    Raises:
        StatementInvalid: See the class.
        NotFound: Unknown cluster.
    """
    check_statement(kind=kind, started_at=started_at, ended_at=ended_at, statement=statement, now=now)
    cluster = Cluster.objects.filter(id=cluster_id).first()
    if cluster is None:
        raise NotFound(pointer="/cluster")
    outage = Outage.objects.create(
        kind=kind, site_id=cluster.site_id, cluster=cluster, started_at=started_at, ended_at=ended_at, source=actor.name,
        evidence={"statement": statement}, recorded_at=now,
    )  # fmt: skip
    record_act(
        actor=actor, action="outage.stated", object_type=Outage.TYPE_PREFIX, object_id=outage.id, now=now,
        reason=reason or statement, changes={
            "kind": kind, "started_at": started_at.isoformat(), "ended_at": ended_at.isoformat(), "statement": statement,
        },
    )  # fmt: skip
    hint("outage.changed", outage.id)
    return outage


def check_statement(
    *, kind: OutageKind, started_at: datetime, ended_at: datetime, statement: str, now: datetime
) -> None:
    """Refuse what cannot be a statement.

    Raises:
        StatementInvalid: See the class.
    """
    if kind not in STATEMENTS:
        raise StatementInvalid(reason=_("A statement says that a cluster was down or that it served."), pointer="/kind")
    if not started_at < ended_at <= now:
        raise StatementInvalid(reason=_("The time ends after it begins, and lies in the past."), pointer="/ended_at")
    if not 1 <= len(statement) <= STATEMENT_CHARACTERS_MAX:
        raise StatementInvalid(reason=_("Name the document in at most 200 characters."), pointer="/statement")


def open_maintenance(
    *, place: Mapping[str, UUID | None], started_at: datetime, evidence: Mapping[str, Any], now: datetime
) -> Outage:
    """Maintenance has begun. The caller keeps the row, and calls once for each window.

    Args:
        place: `site_id`, and `cluster_id` and `node_id` where it is only a part of the site.
    """
    outage = Outage.objects.create(
        kind=OutageKind.MAINTENANCE, started_at=started_at, source="maintenance", evidence=dict(evidence),
        recorded_at=now, **place,
    )  # fmt: skip
    hint("outage.changed", outage.id)
    return outage


def close_maintenance(*, outage_id: UUID, ended_at: datetime) -> bool:
    """Maintenance was over at `ended_at`; whether that is news. Safe to repeat."""
    rows = Outage.objects.filter(id=outage_id, kind=OutageKind.MAINTENANCE, ended_at__isnull=True)
    return _close(rows, ended_at=ended_at)


def withdraw_statement(*, actor: Actor, outage_id: UUID, reason: str, now: datetime) -> Outage:
    """Take a provider's statement back, since it was wrong: it counts for nothing from now on and stays to be read. Audited.

    Raises:
        NotFound: Unknown, or not a statement.
    """
    rows = Outage.objects.select_for_update(no_key=True).filter(id=outage_id, kind__in=STATEMENTS)
    outage = rows.first()
    if outage is None:
        raise NotFound
    if outage.withdrawn_at is None:
        outage.withdrawn_at = now
        outage.save(update_fields=["withdrawn_at"])
        record_act(
            actor=actor, action="outage.withdrawn", object_type=Outage.TYPE_PREFIX, object_id=outage.id, now=now, reason=reason,
        )  # fmt: skip
        hint("outage.changed", outage.id)
    return outage


def list_recent_outages(*, kinds: Sequence[OutageKind], limit: int) -> QuerySet[Outage]:
    """The newest outages of these kinds, for operators."""
    rows = Outage.objects.filter(kind__in=kinds).select_related("site", "cluster", "node")
    return rows.order_by("-started_at")[:limit]


def list_outages_of_node(*, node: Node) -> QuerySet[Outage]:
    """What is known of a node, of its cluster and of its site; the newest first."""
    rows = Outage.objects.filter(
        Q(node=node)
        | Q(node__isnull=True, cluster_id=node.cluster_id)
        | Q(node__isnull=True, cluster__isnull=True, site_id=node.cluster.site_id)
    )
    return rows.order_by("-started_at", "-id")


def _open(
    *,
    kind: OutageKind,
    site_id: UUID,
    cluster_id: UUID | None,
    node_id: UUID | None,
    since: datetime,
    now: datetime,
    source: str,
    evidence: Mapping[str, Any],
) -> bool:
    outage = Outage(
        kind=kind, site_id=site_id, cluster_id=cluster_id, node_id=node_id, started_at=since, source=source,
        evidence=dict(evidence), recorded_at=now,
    )  # fmt: skip
    Outage.objects.bulk_create([outage], ignore_conflicts=True)
    if not Outage.objects.filter(id=outage.id).exists():
        return False
    hint("outage.changed", outage.id)
    return True


def _close(rows: QuerySet[Outage], *, ended_at: datetime) -> bool:
    found = list(rows.values_list("id", flat=True))
    Outage.objects.filter(id__in=found, ended_at__isnull=True).update(ended_at=Greatest(F("started_at"), ended_at))
    for outage_id in found:
        hint("outage.changed", outage_id)
    return bool(found)

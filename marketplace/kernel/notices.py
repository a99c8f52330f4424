"""Notices: alarms for operators and news for a tenant's members, one per cause, open until the cause is gone.

A cause is named by a key, so that a sweep may raise it a thousand times and people read it once. The sentence of each code stands
in `journeys/notice_texts.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Case, IntegerField, QuerySet, Value, When

from marketplace.kernel.actors import Actor, savepoint
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound
from marketplace.kernel.models import Notice, Severity

RANK: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


def raise_notice(
    *,
    key: str,
    code: str,
    severity: Severity,
    now: datetime,
    tenant_id: UUID | None = None,
    project_id: UUID | None = None,
    facts: Mapping[str, Any] | None = None,
    object_type: str = "",
    object_id: UUID | None = None,
) -> Notice:
    """Open a notice, or bring the open one of the same key up to date. Safe to repeat.

    Args:
        key: Names the cause; the audience belongs to it: put the tenant in where several are told of one cause.
        tenant_id: Whose members read it; None = operators. An actor of a tenant can only tell its own.
        facts: JSON-ready values for the sentence.

    Locks the open notice of the key. Requires an open transaction.
    """
    values = {"code": code, "severity": severity, "facts": dict(facts or {})}
    notice = _lock_open(key)
    if notice is None:
        try:
            with savepoint():
                return Notice.objects.create(
                    key=key, tenant_id=tenant_id, project_id=project_id, object_type=object_type, object_id=object_id,
                    raised_at=now, **values,
                )  # fmt: skip
        except IntegrityError:
            # Somebody raised it meanwhile.
            notice = _lock_open(key)
            if notice is None:
                raise
    if RANK[severity] > RANK[Severity(notice.severity)]:
        notice.acknowledged_at, notice.acknowledged_by = None, ""
    if any(getattr(notice, name) != value for name, value in values.items()):
        for name, value in values.items():
            setattr(notice, name, value)
        notice.save(update_fields=[*values, "acknowledged_at", "acknowledged_by"])
    return notice


def resolve_notice(*, key: str, now: datetime) -> bool:
    """Close the open notice of a key since its cause is gone; whether there was one. Safe to repeat."""
    return bool(Notice.objects.filter(key=key, resolved_at__isnull=True).update(resolved_at=now))


def acknowledge_notice(*, actor: Actor, notice_id: UUID, now: datetime, reason: str = "") -> Notice:
    """A member hides a notice, or an operator says that somebody looks after it. Safe to repeat; an operator's is audited.

    Raises:
        NotFound: Unknown, or not of the actor's tenant.
    """
    mine = Notice.objects.filter(id=notice_id, tenant_id=actor.tenant_id)
    notice = mine.select_for_update(no_key=True).first()
    if notice is None:
        raise NotFound
    if notice.acknowledged_at is None:
        notice.acknowledged_at, notice.acknowledged_by = now, actor.name
        notice.save(update_fields=["acknowledged_at", "acknowledged_by"])
        record_act(
            actor=actor, action="notice.acknowledged", object_type="not", object_id=notice.id, now=now, reason=reason,
            tenant_id=notice.tenant_id,
        )  # fmt: skip
    return notice


def list_open_for_operators() -> QuerySet[Notice]:
    """What operators should know, the gravest first, then the newest."""
    return _gravest_first(Notice.objects.filter(tenant_id__isnull=True, resolved_at__isnull=True))


def list_open_for_member(*, actor: Actor) -> QuerySet[Notice]:
    """What the tenant's members should know and have not hidden, the gravest first; projects as the actor is confined."""
    rows = Notice.objects.filter(tenant_id=actor.tenant_scope, resolved_at__isnull=True, acknowledged_at__isnull=True)
    if actor.project_ids is not None:
        rows = rows.filter(project_id__in=actor.project_ids)
    return _gravest_first(rows)


def list_open_keys(*, prefix: str) -> list[str]:
    """Keys of open notices that begin so; a sweep closes those whose cause it does not find any more."""
    rows = Notice.objects.filter(key__startswith=prefix, resolved_at__isnull=True)
    return list(rows.values_list("key", flat=True))


def _lock_open(key: str) -> Notice | None:
    return Notice.objects.select_for_update(no_key=True).filter(key=key, resolved_at__isnull=True).first()


def _gravest_first(rows: QuerySet[Notice]) -> QuerySet[Notice]:
    rank = Case(
        *(When(severity=severity, then=Value(rank)) for severity, rank in RANK.items()), output_field=IntegerField()
    )
    return rows.order_by(rank.desc(), "-raised_at", "id")

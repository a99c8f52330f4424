"""The one writer of the audit log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from marketplace.kernel.actors import Actor
from marketplace.kernel.models import AuditEntry


def record_act(
    *,
    actor: Actor,
    action: str,
    object_type: str,
    object_id: UUID | None,
    now: datetime,
    tenant_id: UUID | None = None,
    reason: str = "",
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Append one entry in the open transaction, so that an act and its entry commit together.

    Args:
        action: Past tense, `<noun>.<verb>`.
        tenant_id: Whose thing it is; default: the actor's tenant.
        changes: JSON-ready values; never secrets.
    """
    AuditEntry.objects.create(
        tenant_id=tenant_id or actor.tenant_id,
        actor_kind=actor.kind.value,
        actor_name=actor.name,
        user_id=actor.user_id,
        api_key_id=actor.api_key_id,
        address=actor.address,
        request_id=actor.request_id,
        action=action,
        object_type=object_type,
        object_id=object_id,
        reason=reason,
        changes=dict(changes or {}),
        occurred_at=now,
    )


def list_acts(*, tenant_id: UUID, object_id: UUID, start: datetime, end: datetime) -> QuerySet[AuditEntry]:
    """Entries about one thing of a tenant in a half-open period, oldest first; row-level security keeps other tenants' out."""
    rows = AuditEntry.objects.filter(
        tenant_id=tenant_id, object_id=object_id, occurred_at__gte=start, occurred_at__lt=end
    )
    return rows.order_by("occurred_at", "id")

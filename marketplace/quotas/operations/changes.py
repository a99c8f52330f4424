"""Note what was changed at a limit or share, so that it can be shown, and undone while that is possible."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from marketplace.kernel.actors import Actor
from marketplace.quotas.models import ChangeKind, LimitChange, Quota, QuotaPeriod, Share

ROWS_PER_STATEMENT: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One change of a line, or of a share.

    Attributes:
        before: None where nothing was limited.
    """

    kind: ChangeKind
    quota: Quota | None = None
    share: Share | None = None
    period_id: UUID | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


def note_changes(*, actor: Actor, changes: Iterable[Changed], reason: str, now: datetime) -> None:
    """Append them. The operation that changes writes the audit entry."""
    rows = [
        LimitChange(
            kind=item.kind,
            tenant_id=item.quota.tenant_id if item.quota else None,
            quota_id=item.quota.id if item.quota else None,
            share_id=item.share.id if item.share else None,
            period_id=item.period_id,
            before=item.before,
            after=item.after,
            reason=reason,
            made_by_id=actor.user_id,
            made_by_name=actor.name,
            made_at=now,
        )
        for item in changes
    ]
    LimitChange.objects.bulk_create(rows, batch_size=ROWS_PER_STATEMENT)


def state_of(quota: Quota) -> dict[str, Any]:
    """A line's permanent limit, to be noted."""
    return {"limit": quota.base_limit, "enforcement": str(quota.enforcement)}


def share_state_of(share: Share) -> dict[str, Any]:
    """A share, to be noted."""
    return {
        "limit": share.limit, "enforcement": str(share.enforcement), "overcommit_percent": share.overcommit_percent,
        "effective_from": share.effective_from.isoformat() if share.effective_from else None,
        "effective_to": share.effective_to.isoformat() if share.effective_to else None,
    }  # fmt: skip


def describe_period(period: QuotaPeriod) -> dict[str, Any]:
    """A period, to be noted and for the audit log."""
    return {
        "limit": period.limit,
        "effective_from": period.effective_from.isoformat(),
        "effective_to": period.effective_to.isoformat(),
    }

"""Quota tables."""

from marketplace.quotas.models.change import ChangeKind, LimitChange
from marketplace.quotas.models.quota import (
    Enforcement,
    Meter,
    Quota,
    QuotaHold,
    QuotaPeriod,
    ScopeKind,
    SelectorKind,
)
from marketplace.quotas.models.request import (
    PENDING_STATUSES,
    QuotaAttachment,
    QuotaRequest,
    QuotaRequestEvent,
    RequestOrigin,
    RequestStatus,
)
from marketplace.quotas.models.share import Share, ShareScope

__all__ = [
    "PENDING_STATUSES",
    "ChangeKind",
    "Enforcement",
    "LimitChange",
    "Meter",
    "Quota",
    "QuotaAttachment",
    "QuotaHold",
    "QuotaPeriod",
    "QuotaRequest",
    "QuotaRequestEvent",
    "RequestOrigin",
    "RequestStatus",
    "ScopeKind",
    "SelectorKind",
    "Share",
    "ShareScope",
]

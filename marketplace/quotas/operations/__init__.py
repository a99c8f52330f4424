"""Every write of quotas, with its audit entry."""

from marketplace.quotas.holders import QuotaDemand
from marketplace.quotas.operations.limits import (
    BelowUse,
    QuotaAboveParent,
    QuotaBelowUse,
    QuotaEdit,
    QuotaInvalid,
    QuotaPeriodInvalid,
    apply_edit,
    revoke_period,
    set_quota,
)
from marketplace.quotas.operations.locking import apply_due_periods, apply_periods, lock_tenants
from marketplace.quotas.operations.path import LineKey, key_of
from marketplace.quotas.operations.shares import ShareEdit, revoke_share, set_share
from marketplace.quotas.operations.taking import (
    QuotaExceeded,
    lock_applicable_quotas,
    lock_held_quotas,
    release_quota,
    take_quota,
)

__all__ = [
    "BelowUse",
    "LineKey",
    "QuotaAboveParent",
    "QuotaBelowUse",
    "QuotaDemand",
    "QuotaEdit",
    "QuotaExceeded",
    "QuotaInvalid",
    "QuotaPeriodInvalid",
    "ShareEdit",
    "apply_due_periods",
    "apply_edit",
    "apply_periods",
    "key_of",
    "lock_applicable_quotas",
    "lock_held_quotas",
    "lock_tenants",
    "release_quota",
    "revoke_period",
    "revoke_share",
    "set_quota",
    "set_share",
    "take_quota",
]

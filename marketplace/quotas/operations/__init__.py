"""Every write of quotas, with its audit entry."""

from marketplace.quotas.holders import QuotaDemand
from marketplace.quotas.operations.bulk import BulkInvalid, BulkPlan, PlannedEdit, apply_bulk, plan_bulk, refuse_errors
from marketplace.quotas.operations.checking import Drift, find_drift, list_tenants_with_quotas, tell_drift
from marketplace.quotas.operations.commitment import Commitment, judge_commitment
from marketplace.quotas.operations.deciding import (
    QuotaOvercommitted,
    SecondPersonNeeded,
    Thresholds,
    approve_request,
    check_commitment,
    edit_or_propose,
    refuse_request,
    send_back_request,
)
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
from marketplace.quotas.operations.reminding import remind_of_ends
from marketplace.quotas.operations.requests import (
    QuotaRequestInvalid,
    QuotaRequestPending,
    QuotaRequestSettled,
    ask_quota,
    resubmit_request,
    withdraw_request,
)
from marketplace.quotas.operations.shares import ShareEdit, revoke_share, set_share
from marketplace.quotas.operations.taking import (
    QuotaExceeded,
    lock_applicable_quotas,
    lock_held_quotas,
    release_quota,
    take_quota,
)
from marketplace.quotas.operations.undoing import (
    CHANGES_UNDONE_MAX,
    UNDO_WINDOW,
    UndoOvertaken,
    UndoTooLate,
    undo_decision,
    undo_edits,
)

__all__ = [
    "CHANGES_UNDONE_MAX",
    "UNDO_WINDOW",
    "BelowUse",
    "BulkInvalid",
    "BulkPlan",
    "Commitment",
    "Drift",
    "LineKey",
    "PlannedEdit",
    "QuotaAboveParent",
    "QuotaBelowUse",
    "QuotaDemand",
    "QuotaEdit",
    "QuotaExceeded",
    "QuotaInvalid",
    "QuotaOvercommitted",
    "QuotaPeriodInvalid",
    "QuotaRequestInvalid",
    "QuotaRequestPending",
    "QuotaRequestSettled",
    "SecondPersonNeeded",
    "ShareEdit",
    "Thresholds",
    "UndoOvertaken",
    "UndoTooLate",
    "apply_bulk",
    "apply_due_periods",
    "apply_edit",
    "apply_periods",
    "approve_request",
    "ask_quota",
    "check_commitment",
    "edit_or_propose",
    "find_drift",
    "judge_commitment",
    "key_of",
    "list_tenants_with_quotas",
    "lock_applicable_quotas",
    "lock_held_quotas",
    "lock_tenants",
    "plan_bulk",
    "refuse_errors",
    "refuse_request",
    "release_quota",
    "remind_of_ends",
    "resubmit_request",
    "revoke_period",
    "revoke_share",
    "send_back_request",
    "set_quota",
    "set_share",
    "take_quota",
    "tell_drift",
    "undo_decision",
    "undo_edits",
    "withdraw_request",
]

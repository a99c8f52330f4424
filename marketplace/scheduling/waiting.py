"""Why does a request wait? One token for many obstacles, with the numbers of its sentence. Pure.

Of several reasons the most hopeful one is told: what passes by itself before what needs somebody to act. Every token is explained
in docs/queue.md; its sentences in both languages stand in `instances/texts.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from marketplace.scheduling.stock import Rejection
from marketplace.sovereignty.rules import Rule


class WaitReason(StrEnum):
    """Why an instance waits: the machine-readable token of its condition CapacityAllocated."""

    WAITING_FOR_CAPACITY = "WaitingForCapacity"
    RESERVED_FOR_LARGER_REQUEST = "ReservedForLargerRequest"
    REQUEST_TOO_LARGE = "RequestTooLarge"
    NO_CERTIFIED_SITE = "NoCertifiedSite"
    CUSTOMER_ASSESSMENT_MISSING = "CustomerAssessmentMissing"
    CERTIFICATION_EXPIRES_TOO_SOON = "CertificationExpiresTooSoon"
    INVENTORY_STALE = "InventoryStale"
    SITE_UNDER_MAINTENANCE = "SiteUnderMaintenance"
    STOCK_QUARANTINED = "StockQuarantined"
    VERSION_NOT_INSTALLED = "VersionNotInstalled"
    PRICE_ABOVE_LIMIT = "PriceAboveLimit"
    SECTOR_SHARE_EXHAUSTED = "SectorShareExhausted"
    PLATFORM_SHARE_EXHAUSTED = "PlatformShareExhausted"


class StartRefusal(StrEnum):
    """Why a start that nobody watches (a schedule's) was refused: the token of the condition ScheduledStart."""

    QUOTA_EXCEEDED = "QuotaExceeded"
    BUDGET_EXCEEDED = "BudgetExceeded"
    APPROVAL_PENDING = "ApprovalPending"
    NOT_ALLOWED_NOW = "NotAllowedNow"


COULD_START: Final = frozenset({WaitReason.WAITING_FOR_CAPACITY, WaitReason.RESERVED_FOR_LARGER_REQUEST})
"""Time alone can make room; only such a request has a position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Candidates of one pool that were not taken for one reason, and the numbers behind it.

    Attributes:
        nodes: At most 64 names.
        node_count: All of them.
    """

    site: str
    accelerator: str
    rejection: Rejection
    nodes: tuple[str, ...]
    node_count: int
    facts: Mapping[str, int | str] = field(default_factory=dict)


_REASON_OF: Final = {
    Rejection.PRICE_TOO_HIGH: WaitReason.PRICE_ABOVE_LIMIT,
    Rejection.CLUSTER_SILENT: WaitReason.INVENTORY_STALE,
    Rejection.CLUSTER_DRAINING: WaitReason.SITE_UNDER_MAINTENANCE,
    Rejection.NODE_CORDONED: WaitReason.SITE_UNDER_MAINTENANCE,
    Rejection.UNDER_MAINTENANCE: WaitReason.SITE_UNDER_MAINTENANCE,
    Rejection.QUARANTINED: WaitReason.STOCK_QUARANTINED,
    Rejection.OTHER_VERSION: WaitReason.VERSION_NOT_INSTALLED,
    Rejection.RESERVED: WaitReason.RESERVED_FOR_LARGER_REQUEST,
    Rejection.REQUEST_TOO_LARGE: WaitReason.REQUEST_TOO_LARGE,
    Rejection.SECTOR_SHARE_EXHAUSTED: WaitReason.SECTOR_SHARE_EXHAUSTED,
    Rejection.PLATFORM_SHARE_EXHAUSTED: WaitReason.PLATFORM_SHARE_EXHAUSTED,
}
SHARE_REASONS: Final = frozenset({WaitReason.SECTOR_SHARE_EXHAUSTED, WaitReason.PLATFORM_SHARE_EXHAUSTED})
ASSESSMENT_RULES: Final = frozenset({Rule.CUSTOMER_ASSESSMENT_MISSING, Rule.CUSTOMER_ASSESSMENT_OVERDUE})
_RULES_OF: Final[Mapping[WaitReason, frozenset[str]]] = {
    WaitReason.CERTIFICATION_EXPIRES_TOO_SOON: frozenset({Rule.CERTIFICATE_EXPIRES_TOO_SOON}),
    WaitReason.CUSTOMER_ASSESSMENT_MISSING: ASSESSMENT_RULES,
}
"""A site that fails by one kind of rule alone is told by what would open it."""
_TELLING_ORDER: Final = (
    WaitReason.RESERVED_FOR_LARGER_REQUEST,
    WaitReason.WAITING_FOR_CAPACITY,
    WaitReason.SECTOR_SHARE_EXHAUSTED,
    WaitReason.PLATFORM_SHARE_EXHAUSTED,
    WaitReason.INVENTORY_STALE,
    WaitReason.SITE_UNDER_MAINTENANCE,
    WaitReason.STOCK_QUARANTINED,
    WaitReason.VERSION_NOT_INSTALLED,
    WaitReason.PRICE_ABOVE_LIMIT,
    WaitReason.CUSTOMER_ASSESSMENT_MISSING,
    WaitReason.CERTIFICATION_EXPIRES_TOO_SOON,
    WaitReason.REQUEST_TOO_LARGE,
    WaitReason.NO_CERTIFIED_SITE,
)


def find_wait_reason(rejected: Sequence[Rejected]) -> WaitReason:
    """The reason that is told."""
    found = {_reason_of(item) for item in rejected if item.rejection is not Rejection.NO_TERMS}
    return next((reason for reason in _TELLING_ORDER if reason in found), WaitReason.WAITING_FOR_CAPACITY)


def _reason_of(item: Rejected) -> WaitReason:
    if item.rejection is not Rejection.SITE_NOT_PERMITTED:
        return _REASON_OF.get(item.rejection, WaitReason.WAITING_FOR_CAPACITY)
    rules = frozenset(str(item.facts.get("rules", "")).split(", "))
    return next((reason for reason, own in _RULES_OF.items() if rules <= own), WaitReason.NO_CERTIFIED_SITE)


_SHORT_OF_OTHERS: Final = frozenset({Rejection.NOT_ENOUGH_CPU, Rejection.NOT_ENOUGH_MEMORY})
_SHORT: Final = (
    frozenset({Rejection.NOT_ENOUGH_DEVICES, Rejection.NOT_ENOUGH_NODES, Rejection.RESERVED}) | _SHORT_OF_OTHERS
)


def read_wait_facts(*, reason: WaitReason, rejected: Sequence[Rejected], devices: int, nodes: int) -> Mapping[str, Any]:
    """The numbers of the reason's sentence, the same names for every reason.

    `requested` devices on each of `nodes`; `free`, the most that one permitted node has (its capacity where the request is too
    large); `fitting_nodes`, how many nodes of one pool have room; `short_of`, "resources" where devices are free without the
    processors or memory that belong to them; `about_nodes` and `sites`, whom the reason is about. A share also says whose it is
    (`sector`, empty for the platform), what it counts (`selector`, `meter`), its `limit`, what is `used` and what was `asked`.
    """
    about = [item for item in rejected if item.rejection is not Rejection.NO_TERMS and _reason_of(item) is reason]
    counted = about if reason is WaitReason.REQUEST_TOO_LARGE else [i for i in rejected if i.rejection in _SHORT]
    free = max((int(item.facts.get("free_devices", item.facts.get("free", 0))) for item in counted), default=0)
    fitting = [item.node_count for item in rejected if item.rejection is Rejection.NOT_ENOUGH_NODES]
    lacks_others = any(item.rejection in _SHORT_OF_OTHERS for item in about) and free >= devices and not fitting
    return {
        "requested": devices,
        "nodes": nodes,
        "free": free,
        "fitting_nodes": max(fitting, default=0),
        "short_of": "resources" if lacks_others else "devices",
        "about_nodes": sum(item.node_count for item in about),
        "sites": len({item.site for item in about}),
        **(about[0].facts if about and reason in SHARE_REASONS else {}),
    }

"""Reasons as sentences in the active language: why a move happened, why an instance waits, what the customer can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from marketplace.instances.states import Reason, State
from marketplace.scheduling.waiting import StartRefusal
from marketplace.tenants.models import Sector

STATE_LABELS: Final[Mapping[str, Promise]] = {
    State.QUEUED: _("Queued"),
    State.PROVISIONING: _("Provisioning"),
    State.RUNNING: _("Running"),
    State.STOPPING: _("Stopping"),
    State.STOPPED: _("Stopped"),
    State.ENDED: _("Ended"),
}

REASONS: Final[Mapping[str, Promise]] = {
    Reason.RENTED: _("The request was accepted."),
    Reason.PLACED: _("Devices were allocated."),
    Reason.STARTED: _("The main process runs; metering has started."),
    Reason.STOP_REQUESTED: _("A stop was requested; metering has ended."),
    Reason.END_REQUESTED: _("An end was requested; metering has ended."),
    Reason.RESUMED: _("A start was requested."),
    Reason.COMPLETED: _("The main process finished successfully."),
    Reason.EXITED_WITH_ERROR: _("The main process exited with an error."),
    Reason.OUT_OF_MEMORY: _("The main process was ended because it used more memory than the instance has."),
    Reason.IMAGE_UNAVAILABLE: _("The image could not be pulled."),
    Reason.INVALID_SPECIFICATION: _("The cluster refused the specification."),
    Reason.MAX_DURATION_REACHED: _("The maximum duration was reached."),
    Reason.INSUFFICIENT_CAPACITY: _("Nothing was free and the request did not want to wait."),
    Reason.MAX_WAIT_REACHED: _("The maximum waiting time was reached."),
    Reason.INTERRUPTED: _(
        "The devices were taken back for a request that may not be interrupted; it was queued again."
    ),
    Reason.EXPIRED_BY_OPERATOR: _("The operator ended the wait."),
    Reason.UNSCHEDULABLE: _("The allocated node could not take the instance; it was queued again."),
    Reason.POD_LOST: _("The instance's pod disappeared from the cluster; metering ended when it was last seen."),
    Reason.EVICTED: _("The node evicted the instance."),
    Reason.NODE_LOST: _("The node was lost."),
    Reason.START_FAILED: _("The node could not start the instance; it was queued again."),
    Reason.MAINTENANCE: _("Maintenance of the node began; the instance was queued again for another node."),
    Reason.DRAINED: _("The operator cleared the node; the instance was queued again for another one."),
    Reason.PODS_GONE: _("Everything of the instance is gone from the cluster."),
    Reason.TENANT_SUSPENDED: _("The organization was suspended."),
    Reason.CREDIT_EXHAUSTED: _("The credit was used up; metering has ended."),
    Reason.BUDGET_REACHED: _("A budget was reached; metering has ended."),
}


@dataclass(frozen=True, slots=True)
class WaitText:
    """Why an instance waits and what helps."""

    message: Promise
    remedy: Promise
    is_blocking: bool


WAITS: Final[Mapping[str, WaitText]] = {
    "Queued": WaitText(
        _("The request is in the queue and is looked at next."),
        _("Nothing to do; this takes about a second."),
        is_blocking=False,
    ),
    "WaitingForCapacity": WaitText(
        _("No permitted node has %(requested)s free devices now; the most on one node is %(free)s."),
        _("Wait, ask for fewer devices, or allow more offers."),
        is_blocking=False,
    ),
    "WaitingForCapacity/gang": WaitText(
        _(
            "%(nodes)s nodes with %(requested)s free devices each are needed in one cluster; the most now is %(fitting_nodes)s."
        ),
        _("Wait, ask for fewer nodes, or allow more offers."),
        is_blocking=False,
    ),
    "WaitingForCapacity/resources": WaitText(
        _(
            "Nodes with %(requested)s free devices lack the processors or memory that belong to them; the most free is %(free)s."
        ),
        _("Wait, ask for fewer devices, or allow more offers."),
        is_blocking=False,
    ),
    "ReservedForLargerRequest": WaitText(
        _(
            "Up to %(free)s devices are free on a node, but they are kept for a request that has waited longer and needs more of"
            " them; nodes kept: %(about_nodes)s."
        ),
        _("Set a maximum duration: a request that ends in time may start before it. Or allow more offers."),
        is_blocking=False,
    ),
    "RequestTooLarge": WaitText(
        _(
            "No node in service holds %(requested)s devices with their processors and memory; the largest holds %(free)s."
        ),
        _("End this request and ask for fewer devices, or for several nodes."),
        is_blocking=True,
    ),
    "RequestTooLarge/gang": WaitText(
        _("No cluster in service has %(nodes)s nodes with %(requested)s devices each."),
        _("End this request and ask for fewer nodes, or for fewer devices on each."),
        is_blocking=True,
    ),
    "NoCertifiedSite": WaitText(
        _("No site may take the project's data now; sites that were checked: %(sites)s."),
        _("Look at the placement evidence; the operator can tell when a certificate is renewed."),
        is_blocking=True,
    ),
    "CustomerAssessmentMissing": WaitText(
        _("Your organization's assessment of this provider is missing: %(providers)s (%(schemes)s)."),
        _("Ask your organization's administrator to record it under Assurance; the request starts by itself then."),
        is_blocking=True,
    ),
    "CertificationExpiresTooSoon": WaitText(
        _(
            "A certificate that the data needs ends too soon for the time the instance may run; sites that this is true of:"
            " %(sites)s."
        ),
        _("Set a shorter maximum duration, or wait until the certificate is renewed."),
        is_blocking=True,
    ),
    "SectorShareExhausted": WaitText(
        _(
            "The share of the sector %(sector)s for %(selector)s is %(limit)s %(meter)s; %(used)s are in use and %(asked)s were"
            " asked for."
        ),
        _("Wait until others of the sector end, allow other accelerators, or ask the operator to raise the share."),
        is_blocking=False,
    ),
    "PlatformShareExhausted": WaitText(
        _(
            "The platform gives %(limit)s %(meter)s of %(selector)s at most; %(used)s are in use and %(asked)s were asked for."
        ),
        _("Wait until others end, or allow other accelerators."),
        is_blocking=False,
    ),
    "InventoryStale": WaitText(
        _(
            "The cluster with free devices has not answered for a while, so that its stock is not sold; nodes that this is true"
            " of: %(about_nodes)s."
        ),
        _("Wait; it is sold again as soon as the cluster answers."),
        is_blocking=False,
    ),
    "SiteUnderMaintenance": WaitText(
        _("The nodes with free devices are under maintenance: %(about_nodes)s."),
        _("Wait, or allow more offers."),
        is_blocking=False,
    ),
    "StockQuarantined": WaitText(
        _("The nodes that could take it are out of sale while a fault is looked into: %(about_nodes)s."),
        _("Wait until the operator releases them, or allow more offers."),
        is_blocking=False,
    ),
    "VersionNotInstalled": WaitText(
        _("No permitted node has the driver, firmware or runtime version that the request asks for."),
        _("Allow other versions or more offers."),
        is_blocking=True,
    ),
    "PriceAboveLimit": WaitText(
        _("Every free offer costs more than the maximum price of the request; sites that were checked: %(sites)s."),
        _("End this request and rent again with a higher maximum price."),
        is_blocking=True,
    ),
}
STARTS: Final[Mapping[str, WaitText]] = {
    reason: WaitText(_("The scheduled start was refused: %(message)s"), _("%(remedy)s"), is_blocking=True)
    for reason in StartRefusal
}
"""Said with the sentences of the refusal itself, as they were."""
ANNOUNCED: Final[Mapping[str, WaitText]] = {
    "InterruptionAnnounced": WaitText(
        _("The devices are taken back at %(interrupt_at)s (KST) for a request that may not be interrupted."),
        _("Save your work now; the instance queues again by itself and keeps its price."),
        is_blocking=False,
    )
}
UNKNOWN_NUMBERS: Final[Mapping[str, Any]] = dict.fromkeys(
    (
        "requested",
        "free",
        "nodes",
        "fitting_nodes",
        "about_nodes",
        "sites",
        "providers",
        "schemes",
        "sector",
        "selector",
        "meter",
        "limit",
        "used",
        "asked",
    ),
    "–",
)
"""Numbers that an older row does not have."""


def explain_reason(reason: str, *, language: str | None = None) -> str:
    """The sentence for a transition's reason; an unknown one (from a newer version) is shown by its token.

    Args:
        language: The active one, where the caller has looked it up already for a whole page.
    """
    return _say(reason, language or get_language())


@lru_cache(maxsize=1_024)
def _say(reason: str, language: str | None) -> str:
    """Kept by language: a page of instances says the same few sentences a hundred times."""
    del language
    return str(REASONS.get(reason, reason))


def explain_wait(reason: str, facts: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Message, remedy and whether it blocks until somebody acts."""
    text = _find_wait_text(reason, facts)
    if text is None:
        return reason, "", False
    return _fill(text.message, facts), _fill(text.remedy, facts), text.is_blocking


def explain_condition(reason: str, facts: Mapping[str, Any], *, language: str | None = None) -> str:
    """A condition's sentence: why it waits, or what happened; `language` as for `explain_reason`."""
    text = _find_wait_text(reason, facts)
    return explain_reason(reason, language=language) if text is None else _fill(text.message, facts)


def _find_wait_text(reason: str, facts: Mapping[str, Any]) -> WaitText | None:
    """A gang, and a lack of processors or memory, have sentences of their own where there are any."""
    variant = "gang" if facts.get("nodes", 1) != 1 else facts.get("short_of", "")
    return WAITS.get(f"{reason}/{variant}") or WAITS.get(reason) or STARTS.get(reason) or ANNOUNCED.get(reason)


def _fill(text: Promise, facts: Mapping[str, Any]) -> str:
    language = (get_language() or "ko")[:2]
    told = {name: facts.get(f"{name}_{language}", "") for name in ("message", "remedy")}
    words = {name: _WORDS[name].get(str(facts[name]), facts[name]) for name in _WORDS if name in facts}
    return str(text) % {**UNKNOWN_NUMBERS, **told, **facts, **words}


_WORDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "sector": dict(Sector.choices),
    "meter": {"devices": _("devices"), "instances": _("instances")},
    "selector": {"any": _("all accelerators"), "gpu": "GPU", "npu": "NPU"},
}
"""Facts that are codes, as people read them."""

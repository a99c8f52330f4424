"""What notices say: one sentence and one remedy per code, in the reader's language.

Each room adds the codes that it raises here, so that all can be read on one page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from marketplace.kernel.models import Notice


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A situation and what to do; `%(name)s` fields come from the notice's facts.

    Attributes:
        route: Name of the portal's or console's page that shows more; "" = none.
    """

    message: Promise
    remedy: Promise | str = ""
    route: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedNotice:
    """A notice with its words."""

    notice: Notice
    message: str
    remedy: str
    route: str


TEXTS: Final[Mapping[str, NoticeText]] = {
    "instance.interruption": NoticeText(
        _(
            "The devices of %(name)s are taken back at %(interrupt_at)s (KST) for a request that may not be interrupted."
        ),
        _("Save your work now; the instance queues again by itself and keeps its price."),
        "portal:instances",
    ),
    "credit.low": NoticeText(
        _("Credit left: %(balance)s, about %(hours)s hours at the present rate."),
        _("Top up, or stop what is no longer needed; at zero, instances are stopped and nothing is deleted."),
        "portal:credit",
    ),
    "credit.grace": NoticeText(
        _("Credit left: %(balance)s. Instances are stopped within the hour."),
        _("Save what runs, or top up now. Stopped instances can be started again once there is credit."),
        "portal:credit",
    ),
    "credit.exhausted": NoticeText(
        _("The credit is used up (%(balance)s). What it paid for was stopped; nothing was deleted."),
        _("Top up and start the instances again."),
        "portal:credit",
    ),
    "credit.top_up_waiting": NoticeText(
        _("A top-up of ₩%(paid)s, recorded by %(who)s, waits for a second operator."),
        _("Compare it with the bank statement, then agree or decline."),
        "console:credit",
    ),
    "budget.threshold": NoticeText(
        _("%(percent)s %% of the budget is spent: %(spent)s of %(amount)s (%(scope)s)."),
        _("Nothing was changed; see what it was spent on."),
        "portal:budgets",
    ),
    "budget.warn_reached": NoticeText(
        _("The budget is spent: %(spent)s of %(amount)s (%(scope)s)."),
        _("Instances run on, as the budget says."),
        "portal:budgets",
    ),
    "budget.block_reached": NoticeText(
        _("The budget is spent: %(spent)s of %(amount)s (%(scope)s). Nothing new is started."),
        _("Raise the budget, or wait for the next month."),
        "portal:budgets",
    ),
    "budget.stop_reached": NoticeText(
        _("The budget is spent: %(spent)s of %(amount)s (%(scope)s). What ran was stopped; nothing was deleted."),
        _("Raise the budget, then start the instances again."),
        "portal:budgets",
    ),
    "ledger.difference": NoticeText(
        _("The ledger does not add up: %(what)s is %(actual)s, expected %(expected)s."),
        _("Close no month before the cause is found; `manage.py check_ledger` names the first difference."),
    ),
    "quota.share_over_limit": NoticeText(
        _("The share of %(sector)s for %(selector)s is %(limit)s %(meter)s, and %(used)s are in use. It only warns."),
        _("Raise the share, or let it refuse."),
        route="",
    ),
    "usage.unknown": NoticeText(
        _(
            "Cluster %(cluster)s is silent since %(since)s: whether %(instances)s instances run is unknown and not charged."
        ),
        _(
            "Bring the cluster back, or record the provider's statement; what is unknown on the 5th of the next month is excused."
        ),
    ),
    "usage.unknown_for_tenant": NoticeText(
        _(
            "A cluster does not answer since %(since)s. Usage from then on is unknown and not charged until there is evidence."
        ),
        _("Nothing needs to be done. The usage page shows the time as unknown."),
    ),
    "node.clock_skew": NoticeText(
        _(
            "The clock of node %(node)s of cluster %(cluster)s is off by %(milliseconds)s ms; usage there carries the mark."
        ),
        _("Have the provider set up time synchronization on the node."),
    ),
    "certificate.expiring": NoticeText(
        _("%(scheme)s %(document)s of %(holder)s ends on %(day)s, in %(days)s days."),
        _(
            "Record the renewal before that day; new placements that need it stop at that second, running instances go on."
        ),
        route="console:certificates",
    ),
    "certificate.ended": NoticeText(
        _("%(scheme)s %(document)s of %(holder)s has ended; %(instances)s running instances were placed on it."),
        _("Nothing is moved or ended by itself. Record a valid certificate, or agree on a move with the customers."),
        route="console:certificates",
    ),
    "certificate.ended_for_tenant": NoticeText(
        _("%(scheme)s %(document)s of the site %(holder)s has ended. Your instances run on it: %(names)s."),
        _("They go on running. Decide whether your data may stay there; a new start is not placed there."),
        route="portal:assurance",
    ),
    "assessment.due": NoticeText(
        _("Your assessment %(number)s of %(provider)s is due for its re-check on %(day)s."),
        _("Make it anew and record it; after that day nothing new that needs it is placed there."),
        route="portal:assurance",
    ),
    "quota.drift": NoticeText(
        _("%(count)s quotas do not add up; the first counts %(used)s, holds %(held)s, and should be %(expected)s."),
        _("Run `manage.py check_quotas` for the list; nothing was changed."),
    ),
    "quota.period_ends": NoticeText(
        _(
            "The limit of %(limit)s for %(selector)s ends on %(ends_on)s; then it is %(after)s, and %(used)s are in use."
        ),
        _("What runs goes on; nothing new fits above the limit. Ask for an extension in time."),
        route="portal:quotas",
    ),
    "quota.request_approved": NoticeText(
        _("Your request for %(wanted)s of %(selector)s was approved: %(reason)s"), route="portal:quotas"
    ),
    "quota.request_partly_approved": NoticeText(
        _("Of your request for %(wanted)s of %(selector)s, %(granted)s were approved: %(reason)s"),
        route="portal:quotas",
    ),
    "quota.request_sent_back": NoticeText(
        _("Your request for %(wanted)s of %(selector)s was sent back: %(reason)s"),
        _("Complete it and send it again."),
        route="portal:quotas",
    ),
    "quota.request_refused": NoticeText(
        _("Your request for %(wanted)s of %(selector)s was refused: %(reason)s"), route="portal:quotas"
    ),
    "price.rise_announced": NoticeText(
        _("The price of %(name)s is to rise from ₩%(old)s to ₩%(new)s per device and hour on %(at)s."),
        _(
            "Agree or decline by the API (price-changes); without your consent the old price stays until the instance ends."
        ),
        route="portal:instances",
    ),
    "quota.over_limit": NoticeText(
        _(
            "The quota for %(selector)s is %(limit)s %(meter)s, and %(used)s are in use. It only warns, so nothing was refused."
        ),
        _("End what is no longer needed, or ask for more."),
        route="portal:quotas",
    ),
    "node.failed": NoticeText(
        _("Node %(node)s of cluster %(cluster)s has failed: %(cause)s."),
        _("Look at what happened on the node; quarantine or drain it if it would go on taking instances."),
    ),
    "quarantine.halted": NoticeText(
        _("Automatic quarantine of cluster %(cluster)s stopped after %(count)s nodes: more of them fail at once."),
        _("Look for a common cause, such as the registry, the network or an upgrade, and quarantine by hand."),
    ),
    "version.quarantined": NoticeText(
        _("%(vendor)s %(component)s %(version)s is in quarantine: starts failed on %(count)s nodes that have it."),
        _("Roll the version back or release it; the other nodes go on being sold."),
    ),
    "maintenance.move": NoticeText(
        _(
            "Maintenance at %(site)s from %(starts_at)s to %(ends_at)s: %(count)s of your instances there will be stopped and"
            " queued again for other nodes: %(names)s. %(notice)s"
        ),
        _(
            "Save what is in the instances' work directories before it begins. The time of the maintenance is not charged."
        ),
        "portal:instances",
    ),
    "maintenance.leave": NoticeText(
        _(
            "Maintenance at %(site)s from %(starts_at)s to %(ends_at)s concerns %(count)s of your instances: %(names)s."
            " %(notice)s"
        ),
        _("They are left running but may be interrupted. The time of the maintenance is not charged."),
        "portal:instances",
    ),
    "node.drained": NoticeText(
        _("The operator cleared a node: %(count)s of your instances were stopped and queued again: %(names)s."),
        _("Nothing to do; they start again as soon as another node is free."),
        "portal:instances",
    ),
}


def describe_notice(notice: Notice) -> DescribedNotice:
    """Put a notice into words; an unknown code (from a newer version) is shown by its token."""
    text = TEXTS.get(notice.code)
    if text is None:
        return DescribedNotice(notice=notice, message=notice.code, remedy="", route="")
    message, remedy = str(text.message), str(text.remedy)
    return DescribedNotice(
        notice=notice,
        message=message % notice.facts if notice.facts else message,
        remedy=remedy % notice.facts if notice.facts and remedy else remedy,
        route=text.route,
    )

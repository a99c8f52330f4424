"""How things look on screens: money, times in KST, states, icons."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from billing.agreements.reading import AgreedForOffer
from billing.credit.state import CreditState
from billing.forecast import Lasts
from billing.ledger.texts import name_account
from billing.metering.texts import explain_cause
from billing.models import Commitment, PricePlan
from billing.rating import VAT_PERCENT, AgreedPrice
from billing.texts import describe_conditions, describe_percent, describe_price
from marketplace.instances.rejection_texts import explain_rejection
from marketplace.instances.states import State
from marketplace.instances.texts import STATE_LABELS, explain_condition, explain_reason
from marketplace.kernel import ids
from marketplace.kernel.clock import KST
from marketplace.kernel.money import MICROS_PER_WON, SECONDS_PER_HOUR, format_won, round_half_up, won_from_numerator
from marketplace.portal.clock_words import describe_outcome, describe_weekdays

register = template.Library()

HOURS_PER_MONTH: Final = 730
"""What a month's estimate is based on; shown beside it (korea.md: 월 예상)."""

_STATES: Final = {
    State.QUEUED: ("wait", "clock"),
    State.PROVISIONING: ("busy", "loader"),
    State.RUNNING: ("good", "circle-check"),
    State.STOPPING: ("busy", "loader"),
    State.STOPPED: ("", "circle-pause"),
    State.ENDED: ("", "circle-dot"),
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """A decorative icon; the text beside it says what it means."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("portal/icons.svg"), name
    )


@register.simple_tag
def state_chip(state: str) -> SafeString:
    """The state with icon and word, never by colour alone."""
    tone, image = _STATES.get(State(state), ("", "circle-dot"))
    return format_html('<span class="chip {}">{}{}</span>', tone, icon(image), STATE_LABELS.get(state, state))


@register.filter
def state_label(state: str) -> str:
    """A state's name."""
    return str(STATE_LABELS.get(state, state))


@register.filter
def account_name(kind: str) -> str:
    """What an account of the ledger is called."""
    return name_account(kind)


@register.filter
def won(amount: int) -> str:
    """`₩1,234,567`."""
    return format_won(int(amount))


@register.filter
def won_per_hour(micros: int) -> str:
    """A price in micros as won, rounded half up for the screen; exact where it has no fraction, as all prices in practice."""
    return format_won(round_half_up(numerator=int(micros), denominator=MICROS_PER_WON))


@register.filter
def per_month(micros: int) -> str:
    """A price per hour as a month's estimate."""
    return format_won(round_half_up(numerator=int(micros) * HOURS_PER_MONTH, denominator=MICROS_PER_WON))


@register.filter
def with_vat(micros: int, vat: str) -> int:
    """A price as the VAT switch says, `included` or `excluded`; exact for prices in whole won."""
    return int(micros) * (100 + VAT_PERCENT) // 100 if vat == "included" else int(micros)


@register.simple_tag
def plan_label(plan: str) -> str:
    """How capacity is bought."""
    return str(PricePlan(plan).label)


@register.simple_tag
def price_text(price: AgreedPrice) -> str:
    """`₩5,400 per device and hour`."""
    return describe_price(shape=price.shape, unit=price.unit, price_micros=price.price_micros)


@register.simple_tag
def price_conditions(price: AgreedPrice) -> str:
    """Minimum term, minimum charge and the price for kept devices, as far as there are any."""
    return describe_conditions(price)


@register.simple_tag
def lasts_text(lasts: Lasts) -> str:
    """Until when credit or a budget would last with it running as well; empty where nothing ends it."""
    parts = []
    if lasts.credit_s is not None:
        parts.append(_("credit lasts %(time)s") % {"time": lasting(lasts.credit_s)})
    if lasts.budget_s is not None:
        parts.append(_("budget lasts %(time)s") % {"time": lasting(lasts.budget_s)})
    return " · ".join(parts)


def lasting(seconds: int) -> str:
    """`3 days`, `5 hours`, or `less than an hour`; whole ones, cut."""
    if seconds >= 2 * 86_400:
        return _("%(count)s days") % {"count": f"{seconds // 86_400:,}"}
    if seconds >= 3_600:
        return _("%(count)s hours") % {"count": seconds // 3_600}
    return _("less than an hour")


@register.simple_tag
def agreement_price(row: Commitment) -> str:
    """`₩4,000 per device and hour`."""
    return describe_price(shape=row.shape, unit=row.unit, price_micros=row.price_micros)


@register.simple_tag
def percent_text(basis_points: int) -> str:
    """`12.5%`."""
    return describe_percent(basis_points)


@register.simple_tag
def agreed_text(agreed: AgreedForOffer, plan: str) -> str:
    """What the payer has agreed for an offer: `committed: 4 at ₩4,000 per device and hour · discount 12.5%`.

    A commitment covers what is bought on demand alone.
    """
    parts = [
        _("committed: %(units)s at %(price)s")
        % {"units": row.units, "price": describe_price(shape=row.shape, unit=row.unit, price_micros=row.price_micros)}
        for row in agreed.commitments
        if plan == PricePlan.ON_DEMAND
    ]
    parts += [_("discount %(percent)s") % {"percent": describe_percent(row.basis_points)} for row in agreed.discounts]
    return " · ".join(parts)


@register.filter
def count(number: int) -> str:
    """`1,234,567`."""
    return f"{int(number):,}"


@register.filter
def times(micros: int, count: int) -> int:
    """For a number of devices."""
    return int(micros) * int(count)


@register.simple_tag
def kst(instant: datetime | None, seconds: bool = False) -> SafeString:  # noqa: FBT001, FBT002 - a template tag's argument
    """`2026-11-24 14:30 (KST)`, UTC on hover."""
    if instant is None:
        return format_html("{}", "–")
    shown = instant.astimezone(KST).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    utc = instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return format_html('<time class="nowrap" datetime="{}" title="{} UTC">{} (KST)</time>', utc, utc, shown)


@register.filter
def public_id(value: UUID, prefix: str) -> str:
    """`ins_…`."""
    return ids.format_id(prefix=prefix, value=value)


@register.filter
def cause_text(cause: str) -> str:
    """Why time is excused or unknown."""
    return explain_cause(cause)


@register.filter
def hours(seconds: int) -> str:
    """Seconds as hours with two decimals, rounded half up for the screen: `1,234.50`."""
    hundredths = round_half_up(numerator=int(seconds), denominator=36)
    return f"{hundredths // 100:,}.{hundredths % 100:02d}"


@register.filter
def reason_text(reason: str) -> str:
    """Why a move happened."""
    return explain_reason(reason)


@register.filter
def wait_text(condition: dict[str, Any]) -> str:
    """A condition's sentence."""
    return explain_condition(condition.get("reason", ""), condition.get("facts", {}))


@register.filter
def weekdays(days: Sequence[int]) -> str:
    """Days of a schedule."""
    return describe_weekdays(days)


@register.filter
def outcome_text(outcome: str) -> str:
    """What came of a schedule's last turn."""
    return describe_outcome(outcome)


@register.filter
def memory(mib: int) -> str:
    """`141 GB` of device memory as vendors write it, `–` where it is shared."""
    return f"{round_half_up(numerator=int(mib), denominator=1024)} GiB" if mib else "–"


@register.filter
def localized(thing: Any, language: str) -> str:
    """`name_ko` or `name_en` by language."""
    return str(thing.name_en if language == "en" else thing.name_ko)


@register.filter
def numerator_per_hour(per_second: int) -> str:
    """What so much a second comes to in an hour."""
    return format_won(won_from_numerator(int(per_second) * SECONDS_PER_HOUR))


@register.filter
def negated(amount: int) -> int:
    """With its sign turned."""
    return -int(amount)


@register.simple_tag
def credit_stage(state: CreditState) -> str:
    """`잔액 ₩120,000 · 약 8시간 후 중지`: what is left, and when what runs is stopped."""
    left, ends = format_won(state.remaining_won), state.runway.exhausts_at
    if ends is None:
        return _("Credit %(left)s") % {"left": left}
    seconds = int((ends - state.as_of).total_seconds())
    if seconds <= 0:
        return _("Credit %(left)s · used up") % {"left": left}
    if seconds < SECONDS_PER_HOUR:
        return _("Credit %(left)s · stops in about %(count)s min") % {"left": left, "count": max(1, seconds // 60)}
    hours = seconds // SECONDS_PER_HOUR
    if hours < 72:
        return _("Credit %(left)s · stops in about %(count)s h") % {"left": left, "count": hours}
    return _("Credit %(left)s · lasts about %(count)s days") % {"left": left, "count": hours // 24}


@register.simple_tag
def rejection_text(rejection: str) -> str:
    """Why a candidate node or site was not taken, in words."""
    return explain_rejection(rejection)


@register.simple_tag
def quota_event(kind: str) -> str:
    """A step of a quota request's history, in words."""
    return {
        "asked": _("Asked"),
        "changed": _("Changed and sent again"),
        "first_approved": _("Approved once; waits for a second person"),
        "approved": _("Approved"),
        "partly_approved": _("Partly approved"),
        "sent_back": _("Sent back"),
        "refused": _("Refused"),
        "withdrawn": _("Withdrawn"),
        "undone": _("Taken back; waits again"),
    }.get(kind, kind)

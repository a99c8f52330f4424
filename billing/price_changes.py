"""Another price for instances that run: announced, agreed to or not, and in force only from its announced instant.

1. An operator announces a published version to the running instances of its offer, plan and audience.
2. A price that falls needs no answer. A rise is told to the tenant by a notice and waits for a member's answer.
3. Agreed: the new price holds from the announced instant on; usage is cut there. Declined or not answered: the old price stays
   until the instance ends.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from billing.charging import list_agreed_prices
from billing.marking import mark_agreed
from billing.models import ChangeAnswer, PriceVersion, TermChange
from billing.prices import PriceInvalid, to_agreed
from billing.rating import AgreedPrice, snapshot
from marketplace.instances.models import Instance, InstanceTerm
from marketplace.instances.states import State
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice, resolve_notice
from marketplace.tenants.access import require_permission

NOTICE_DAYS_MIN: Final = 7
"""So many days lie between an announcement and its instant: a member must be able to read it and to end the instance."""


class ChangeClosed(OndolError):
    """The change was answered before, or its instant has passed; nothing was written."""

    code = "price_change_closed"
    http_status = 409
    title = _("This price change can no longer be answered.")
    remedy = _("The price that holds is shown with the instance.")


def announce(*, actor: Actor, price_version_id: UUID, now: datetime, reason: str) -> list[TermChange]:
    """Announce a published version to the running instances of its offer and plan; those who have it are left alone. Audited.

    Safe to repeat: a term is told of a version once.

    Raises:
        NotFound: There is no such version of an offer's price.
        PriceInvalid: It begins sooner than the notice period after `now`.
    """
    version = PriceVersion.objects.filter(id=price_version_id, offer__isnull=False).first()
    if version is None:
        raise NotFound
    if version.effective_from < now + timedelta(days=NOTICE_DAYS_MIN):
        raise PriceInvalid(
            reason=_("A price change is announced at least 7 days before it holds."), pointer="/effective_from"
        )
    announced = [
        change for term in _list_running_terms(version) if (change := _announce_to(term, version, now=now)) is not None
    ]
    record_act(
        actor=actor, action="price.announced", object_type="prc", object_id=version.id, now=now, reason=reason,
        changes={"instances": len(announced)},
    )  # fmt: skip
    return announced


def list_concerned_versions(
    *, offer_id: UUID, plan: str, tenant_id: UUID | None, sector: str
) -> QuerySet[PriceVersion]:
    """Versions that a price follows: those of its offer and plan for the same people, or for more.

    Whoever rents at a price of its own, or of its sector, is not told of everyone's.
    """
    versions = PriceVersion.objects.filter(offer_id=offer_id, plan=plan)
    if tenant_id is not None:
        return versions
    return versions.filter(audience__in=["all", f"sector:{sector}"] if sector else ["all"])


def needs_consent(*, old: AgreedPrice, new: AgreedPrice) -> bool:
    """Whether a price rises: dearer by the hour, or with higher minimums or a higher price for kept devices."""
    return not (
        new.micros_per_device_hour <= old.micros_per_device_hour
        and new.minimum_s <= old.minimum_s
        and new.minimum_won <= old.minimum_won
        and (new.held_price_micros or 0) <= (old.held_price_micros or 0)
    )


def _list_running_terms(version: PriceVersion) -> list[InstanceTerm]:
    if version.offer_id is None:
        return []
    concerned = list_concerned_versions(
        offer_id=version.offer_id, plan=version.plan, tenant_id=version.tenant_id, sector=version.sector
    )
    rows = (
        InstanceTerm.objects.filter(offer=version.offer, price_version_id__in=concerned.values("id"))
        .exclude(instance__state=State.ENDED)
        .exclude(price_version_id=version.id)
        .select_related("instance__tenant")
        .order_by("id")
    )
    if version.tenant_id is not None:
        rows = rows.filter(tenant_id=version.tenant_id)
    if version.sector:
        rows = rows.filter(instance__tenant__sector=version.sector)
    told = set(TermChange.objects.filter(price_version=version).values_list("term_id", flat=True))
    return [term for term in rows if term.id not in told]


def _announce_to(term: InstanceTerm, version: PriceVersion, *, now: datetime) -> TermChange | None:
    old = list_agreed_prices(terms=[term])[term.id][-1]
    new = to_agreed(version, id_=version.id)
    is_fall = not needs_consent(old=old, new=new)
    if term.instance.devices % new.unit_devices:
        # It does not buy whole servers: the new price cannot be its.
        return None
    change = TermChange.objects.create(
        tenant_id=term.tenant_id,
        instance_id=term.instance_id,
        term=term,
        price_version=version,
        old_micros_per_device_hour=old.micros_per_device_hour,
        new_micros_per_device_hour=new.micros_per_device_hour,
        price=snapshot(new),
        announced_at=now,
        effective_at=version.effective_from,
        answer=ChangeAnswer.NOT_NEEDED if is_fall else None,
        answered_at=now if is_fall else None,
    )
    if not is_fall:
        raise_notice(
            key=_notice_key(change), code="price.rise_announced", severity=Severity.WARNING, now=now,
            tenant_id=term.tenant_id, project_id=term.instance.project_id, facts=_facts(change, term.instance),
            object_type="ins", object_id=term.instance_id,
        )  # fmt: skip
    return change


def _facts(change: TermChange, instance: Instance) -> dict[str, Any]:
    return {
        "name": instance.name,
        "old": f"{change.old_micros_per_device_hour // 1_000_000:,}",
        "new": f"{change.new_micros_per_device_hour // 1_000_000:,}",
        "at": change.effective_at.isoformat(),
    }


def _notice_key(change: TermChange) -> str:
    return f"price-change:{change.id}"


def answer_change(*, actor: Actor, change_id: UUID, is_agreed: bool, now: datetime) -> TermChange:
    """Agree to a rise, or decline it; a declined one leaves the old price until the instance ends. Audited.

    Repeating the same answer returns the change as it stands.

    Raises:
        Forbidden: The actor may not change instances.
        NotFound: Unknown or not the actor's.
        ChangeClosed: Answered otherwise before, or its instant has passed.

    Locks the tenant's budgets and credit accounts when it is agreed to, then the change.
    """
    require_permission(actor=actor, permission="instances.write")
    if is_agreed:
        # From its instant on more is spent each second than credit and budgets were last told.
        mark_agreed(tenant_id=actor.tenant_scope, now=now)
    change = list_changes(actor=actor).select_for_update(no_key=True, of=("self",)).filter(id=change_id).first()
    if change is None:
        raise NotFound
    answer = ChangeAnswer.AGREED if is_agreed else ChangeAnswer.DECLINED
    if change.answer == answer:
        return change
    if change.answer is not None or now >= change.effective_at:
        raise ChangeClosed
    change.answer, change.answered_at, change.answered_by = answer, now, actor.name
    change.save(update_fields=["answer", "answered_at", "answered_by"])
    resolve_notice(key=_notice_key(change), now=now)
    record_act(
        actor=actor, action=f"price_change.{answer}", object_type="tch", object_id=change.id, now=now,
        tenant_id=change.tenant_id, changes={"instance": str(change.instance_id)},
    )  # fmt: skip
    return change


def list_changes(*, actor: Actor) -> QuerySet[TermChange]:
    """Price changes announced to the actor's instances, newest first.

    Raises:
        Forbidden: The actor may not read instances.
    """
    require_permission(actor=actor, permission="instances.read")
    rows = TermChange.objects.filter(tenant_id=actor.tenant_scope).select_related("instance")
    if actor.project_ids is not None:
        rows = rows.filter(instance__project_id__in=actor.project_ids)
    return rows.order_by("-id")

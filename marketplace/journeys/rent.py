"""What happens when someone rents: one transaction over the tenant's own rows, never a look at nodes or clusters.

Access → good standing → rules (at least one site may take it) → terms kept → quota taken → budgets and credit asked → instance
queued → hint.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from billing.holds import SpendDemand, find_payable_sellers, take_first_hold
from billing.rating import Plan, snapshot
from marketplace.instances.models import Instance, InstanceKind
from marketplace.instances.operations import AgreedTerm, InstanceSpec, create_instance
from marketplace.journeys.market_view import MarketView, PricedOffer
from marketplace.journeys.quote import view_matching_market
from marketplace.journeys.version_filter import keep_versions, read_version_filter
from marketplace.kernel import ids
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import OndolError, ValidationFailed
from marketplace.kernel.money import won_text_from_micros
from marketplace.kernel.pipelines import pipelined
from marketplace.quotas.operations import QuotaDemand, release_quota, take_quota
from marketplace.sovereignty.rules import Rule, Verdict
from marketplace.sovereignty.texts import explain_refusal
from marketplace.tenants.access import get_project, require_good_standing, require_permission
from marketplace.tenants.models import Project
from marketplace.tenants.queries import list_people_who_may

DEVICES_MAX: Final = 64
NODES_MAX: Final = 64
NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]{0,299}")
ENVIRONMENT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
ENVIRONMENT_ENTRIES_MAX: Final = 100
ENVIRONMENT_VALUE_CHARACTERS_MAX: Final = 4_096
COMMAND_PARTS_MAX: Final = 100
DURATION_S_MAX: Final = 366 * 86_400


class DataClassNotAllowed(OndolError):
    """No site that sells this may take the project's data."""

    code = "data_class_not_allowed"
    http_status = 403
    title = _("No site with a matching offer may take data of class %(data_classes)s.")
    remedy = _("See each site's reason in `sites`; choose other offers, or another project if the data allows it.")


class ByReservationOnly(OndolError):
    """Everything that would do is sold by reservation, and this organization has none; nothing was written."""

    code = "by_reservation_only"
    http_status = 409
    title = _("This is sold by reservation only: %(offers)s.")
    remedy = _("Ask the operator for a reservation, or choose another offer.")


class PriceChanged(OndolError):
    """A quoted price is no longer in force; nothing was written."""

    code = "price_changed"
    http_status = 409
    title = _("The price changed since it was quoted.")
    remedy = _("Ask for a new quote and confirm the new price.")


class PriceAboveLimit(OndolError):
    """Every permitted offer costs more than the request's maximum."""

    code = "price_above_limit"
    http_status = 409
    title = _("Every permitted offer costs more than the maximum price; the lowest is ₩%(lowest)s per device-hour.")
    remedy = _("Raise max_price, or choose other accelerators.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RentRequest:
    """What is asked for.

    Attributes:
        price_version_ids: Prices the customer was quoted and agrees to; empty = whatever is in force.
        plan: How capacity is bought.
    """

    project_id: UUID
    spec: InstanceSpec
    price_version_ids: Sequence[UUID] = ()
    plan: str = Plan.ON_DEMAND.value


def rent(*, actor: Actor, request: RentRequest, now: datetime) -> Instance:
    """Accept a request: take quota, keep terms, queue the instance. Requires an open `as_actor` transaction.

    Not repeatable by itself; the API's Idempotency-Key makes it so.

    Raises:
        NotFound: The project is not the actor's.
        Forbidden, TenantSuspended: The actor or the organization may not.
        ValidationFailed: A member that no instance could have, an unknown accelerator, more devices than any offer gives,
            more nodes than any cluster has.
        DataClassNotAllowed, ByReservationOnly: The former with every site's reasons; nothing is written.
        PriceChanged, PriceAboveLimit: The terms do not hold.
        QuotaExceeded: Nothing is written.
        BudgetExceeded, InsufficientBalance: The estimate does not fit; nothing is written.

    Locks the tenant's applicable quota rows, then its budgets and, where it pays ahead, the payer's credit accounts.
    """
    require_permission(actor=actor, permission="instances.write")
    project = get_project(actor=actor, project_id=request.project_id)
    require_good_standing(tenant=project.tenant)
    check_spec(request.spec)
    read_version_filter(request.spec.versions)
    spec = replace(
        request.spec,
        is_interruptible=request.plan == Plan.INTERRUPTIBLE,
        versions=keep_versions(request.spec.versions),
    )
    view = view_matching_market(
        project=project,
        image=spec.image,
        devices=spec.devices,
        nodes=spec.nodes,
        accelerators=spec.accelerators,
        offer_ids=spec.offer_ids,
        max_duration_s=spec.max_duration_s,
        plan=request.plan,
        now=now,
    )
    if not view.permitted and view.reserved:
        raise ByReservationOnly(facts={"offers": ", ".join(priced.offer.code for priced, _verdict in view.reserved)})
    if not view.permitted:
        raise _not_allowed(actor, view, project.data_classes)
    agreed = _agree(view, request)
    instance_id = ids.new_id()
    take_quota(demand=_quota_demand(actor, project, agreed, spec), holder_id=instance_id, now=now)
    demand = _demand(project, agreed, spec)
    sellers = find_payable_sellers(demand=demand, now=now)
    payable = [priced for priced in agreed if priced.selling_term.seller_id in sellers]
    if len(payable) < len(agreed):
        # What no payable seller offers cannot be placed, so no limit on it is held. Quota is locked before credit, hence twice.
        release_quota(holder_id=instance_id, now=now)
        take_quota(demand=_quota_demand(actor, project, payable, spec), holder_id=instance_id, now=now)
    with pipelined():
        instance = create_instance(
            actor=actor,
            instance_id=instance_id,
            tenant_id=project.tenant_id,
            project_id=project.id,
            spec=spec,
            terms=[_term(priced) for priced in payable],
            now=now,
        )
        take_first_hold(demand=demand, sellers=sellers, instance_id=instance_id, now=now)
    return instance


def _quota_demand(actor: Actor, project: Project, agreed: Sequence[PricedOffer], spec: InstanceSpec) -> QuotaDemand:
    return QuotaDemand(
        tenant_id=project.tenant_id,
        project_id=project.id,
        user_id=actor.user_id,
        accelerators=frozenset(priced.offer.accelerator.code for priced in agreed),
        kinds=frozenset(priced.offer.accelerator.kind for priced in agreed),
        devices=spec.total_devices,
    )


def _demand(project: Project, agreed: Sequence[PricedOffer], spec: InstanceSpec) -> SpendDemand:
    """What it would cost with each seller, at the dearest of the seller's offers."""
    dearest: dict[UUID, int] = {}
    for priced in agreed:
        seller_id = priced.selling_term.seller_id
        price = priced.price_micros_per_device_hour * spec.total_devices
        dearest[seller_id] = max(dearest.get(seller_id, 0), price)
    return SpendDemand(project=project, micros_per_hour_by_seller=dearest, max_duration_s=spec.max_duration_s)


def _term(priced: PricedOffer) -> AgreedTerm:
    return AgreedTerm(
        offer_id=priced.offer.id,
        seller_id=priced.selling_term.seller_id,
        selling_mode=priced.selling_term.mode,
        price_version_id=priced.price_version_id,
        price_micros_per_device_hour=priced.price_micros_per_device_hour,
        price=snapshot(priced.price),
    )


def _agree(view: MarketView, request: RentRequest) -> Sequence[PricedOffer]:
    """The offers whose terms go on the instance."""
    permitted = [priced for priced, _verdict in view.permitted]
    if request.price_version_ids:
        in_force = {priced.price_version_id for priced in permitted}
        if not set(request.price_version_ids) <= in_force:
            raise PriceChanged(pointer="/price_versions")
        permitted = [priced for priced in permitted if priced.price_version_id in request.price_version_ids]
    limit = request.spec.max_price_micros
    affordable = [priced for priced in permitted if limit is None or priced.price_micros_per_device_hour <= limit]
    if not affordable:
        lowest = min(priced.price_micros_per_device_hour for priced in permitted)
        raise PriceAboveLimit(facts={"lowest": won_text_from_micros(lowest)}, pointer="/max_price")
    return affordable


def _not_allowed(actor: Actor, view: MarketView, data_classes: Sequence[str]) -> DataClassNotAllowed:
    details: dict[str, Any] = {"sites": [describe_refused_site(priced, verdict) for priced, verdict in view.refused]}
    if any(is_up_to_customer(verdict) for _priced, verdict in view.refused):
        people = list_people_who_may(actor=actor, permission="assurance.write")
        details["ask"] = [asdict(person) for person in people]
    return DataClassNotAllowed(facts={"data_classes": ", ".join(data_classes)}, details=details, pointer="/project")


def is_up_to_customer(verdict: Verdict) -> bool:
    """Whether the customer's own assessment is all that is missing."""
    return bool(verdict.refusals) and all(
        refusal.rule in (Rule.CUSTOMER_ASSESSMENT_MISSING, Rule.CUSTOMER_ASSESSMENT_OVERDUE)
        for refusal in verdict.refusals
    )


def describe_refused_site(priced: PricedOffer, verdict: Verdict) -> dict[str, Any]:
    """One refused offer for a problem document or a quote: the site, and each rule with its sentence and facts."""
    return {
        "offer": ids.format_id(prefix="off", value=priced.offer.id),
        "offer_code": priced.offer.code,
        "site": priced.offer.site.code,
        "reasons": [
            {
                "rule": refusal.rule.value,
                "data_class": refusal.data_class,
                "message": explain_refusal(rule=refusal.rule, data_class=refusal.data_class, facts=refusal.facts),
                "facts": dict(refusal.facts),
            }
            for refusal in verdict.refusals
        ],
    }


def check_spec(spec: InstanceSpec) -> None:
    """Refuse what no instance could be.

    Raises:
        ValidationFailed: Names the first wrong member by its JSON pointer.
    """
    checks = (
        (1 <= spec.devices <= DEVICES_MAX, "/devices", _("devices is a whole number from 1 to 64.")),
        (1 <= spec.nodes <= NODES_MAX, "/nodes", _("nodes is a whole number from 1 to 64.")),
        (NAME.fullmatch(spec.name), "/name", _("A name has 1 to 63 lower-case letters, digits and inner hyphens.")),
        (spec.kind in InstanceKind.values, "/kind", _("kind is interactive, job or service.")),
        (IMAGE.fullmatch(spec.image), "/image", _("image is an OCI reference of at most 300 characters.")),
        (len(spec.command) <= COMMAND_PARTS_MAX, "/command", _("command has at most 100 parts.")),
        (
            _is_environment_fine(spec),
            "/environment",
            _("environment has at most 100 names of letters, digits and underscores."),
        ),
        (
            _in_range(spec.max_duration_s, 60, DURATION_S_MAX),
            "/max_duration_s",
            _("max_duration_s is from 60 to 31,622,400."),
        ),
        (_in_range(spec.max_wait_s, 0, DURATION_S_MAX), "/max_wait_s", _("max_wait_s is from 0 to 31,622,400.")),
        (spec.max_price_micros is None or spec.max_price_micros > 0, "/max_price", _("max_price is more than 0.")),
    )
    for is_fine, pointer, reason in checks:
        if not is_fine:
            raise ValidationFailed(reason=reason, pointer=pointer)


def _in_range(value: int | None, lowest: int, highest: int) -> bool:
    return value is None or lowest <= value <= highest


def _is_environment_fine(spec: InstanceSpec) -> bool:
    entries = spec.environment or {}
    return len(entries) <= ENVIRONMENT_ENTRIES_MAX and all(
        ENVIRONMENT_NAME.fullmatch(name) and len(value) <= ENVIRONMENT_VALUE_CHARACTERS_MAX
        for name, value in entries.items()
    )

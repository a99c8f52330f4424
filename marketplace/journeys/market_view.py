"""The market as the rules and placement see it: who may run where, on which terms, with what stock.

Shared by quote, rent and admit, so that what is shown, what is refused and what is placed are decided by the same code.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Final
from uuid import UUID

from billing.prices import Buyer, PriceList, list_offers_priced_for, read_price_list
from billing.rating import AgreedPrice, Plan
from marketplace.inventory.models import Offer, OfferAccess, SellingTerm
from marketplace.inventory.queries import (
    list_accelerators,
    list_offers_on_sale,
    list_selling_terms,
    read_assessments,
    read_site_facts,
)
from marketplace.kernel.revisions import read_revision
from marketplace.sovereignty.evidence import describe_market
from marketplace.sovereignty.queries import (
    RuleVersion,
    choose_requirements,
    read_rule_versions,
    read_scheme_levels,
)
from marketplace.sovereignty.rules import Assessment, CustomerFacts, Requirements, SiteFacts, Verdict, permits
from marketplace.tenants.models import Project

MARKET: Final = "market"
"""The revision of every table that `MarketFacts` is read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedOffer:
    """An offer on sale with its price and seller in force.

    Attributes:
        price: The buyer's price for the plan asked about.
        plans: Its prices for every plan.
    """

    offer: Offer
    price: AgreedPrice
    plans: Mapping[str, AgreedPrice]
    selling_term: SellingTerm

    @property
    def price_version_id(self) -> UUID:
        """Of the plan asked about."""
        return self.price.price_version_id

    @property
    def price_micros_per_device_hour(self) -> int:
        """For comparing offers, whatever the shape of their price."""
        return self.price.micros_per_device_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """What one project may rent, and what it may not with the rule.

    Attributes:
        permitted: Offers on sale whose site may take the project's data, with the verdict's certificates.
        reserved: Of those that the rules permit the ones sold by reservation only, of which this organization has none.
        refused: The others, with every refusal.
        requirements: The rule versions applied.
    """

    permitted: tuple[tuple[PricedOffer, Verdict], ...]
    refused: tuple[tuple[PricedOffer, Verdict], ...]
    reserved: tuple[tuple[PricedOffer, Verdict], ...] = ()
    requirements: tuple[Requirements, ...]


@dataclass(frozen=True, kw_only=True)
class MarketFacts:
    """What changes only when an operator changes it; the same for everybody, and read-only to everybody.

    Attributes:
        revision: Of the tables it was read from.
        accelerators: Codes of the whole catalogue.
        offers: On sale.
        sites: With their own and their providers' certificates.
        rules, selling_terms: All of them, dated.
    """

    revision: UUID
    accelerators: frozenset[str]
    offers: tuple[Offer, ...]
    sites: Mapping[UUID, SiteFacts]
    scheme_levels: Mapping[str, Sequence[str]]
    rules: tuple[RuleVersion, ...]
    selling_terms: tuple[SellingTerm, ...]

    def requirements_in_force(self, *, data_classes: Iterable[str], now: datetime) -> tuple[Requirements, ...]:
        """The rule version in force for each class.

        Raises:
            DataClassUnknown: A class has no rule in force.
        """
        return choose_requirements(versions=self.rules, data_classes=data_classes, now=now)

    def selling_terms_in_force(self, *, now: datetime) -> Mapping[UUID, SellingTerm]:
        """By provider, each with its seller; a provider without one sells nothing."""
        return {
            term.provider_id: term
            for term in self.selling_terms
            if term.effective_from <= now and (term.effective_to is None or now < term.effective_to)
        }

    @cached_property
    def description(self) -> dict[str, Any]:
        """As it is kept beside the decisions that were made on it."""
        return describe_market(
            sites=self.sites.values(),
            scheme_levels=self.scheme_levels,
            offers=[
                (offer.code, offer.site.code, offer.accelerator.code, offer.accelerator.isolation_class)
                for offer in self.offers
            ],
        )

    def matching(self, *, accelerators: Sequence[str], offer_ids: Sequence[UUID]) -> tuple[Offer, ...]:
        """Offers that a request names; empty lists name all."""
        return tuple(
            offer
            for offer in self.offers
            if (not accelerators or offer.accelerator.code in accelerators) and (not offer_ids or offer.id in offer_ids)
        )


def read_market_facts() -> MarketFacts:
    """The facts as they are now; one query as long as nobody changes them.

    What was read is remembered under the revision, which is read first: what is read after it is at least as new, and a change that
    commits in between makes another revision, which the next reader finds.
    """
    return _read_market(read_revision(topic=MARKET))


@lru_cache(maxsize=1)
def _read_market(revision: UUID) -> MarketFacts:
    offers = tuple(list_offers_on_sale())
    return MarketFacts(
        revision=revision,
        accelerators=frozenset(row.code for row in list_accelerators()),
        offers=offers,
        sites=read_site_facts(site_ids={offer.site_id for offer in offers}),
        scheme_levels=read_scheme_levels(),
        rules=read_rule_versions(),
        selling_terms=tuple(list_selling_terms()),
    )


TENANTS_REMEMBERED_MAX: Final = 500


@lru_cache(maxsize=TENANTS_REMEMBERED_MAX)
def _read_assessments_of(_revision: UUID, tenant_id: UUID) -> tuple[Assessment, ...]:
    return read_assessments(tenant_ids=[tenant_id]).get(tenant_id, ())


@lru_cache(maxsize=TENANTS_REMEMBERED_MAX)
def _read_prices_for(_revision: UUID, buyer: Buyer) -> PriceList:
    return read_price_list(buyer=buyer)


def read_customer(*, facts: MarketFacts, project: Project) -> CustomerFacts:
    """Who asks, as the rules see it; what is not remembered costs one query. The actor must be staff or of this tenant."""
    return CustomerFacts(
        sector=project.tenant.sector,
        project_id=project.id,
        assessments=_read_assessments_of(facts.revision, project.tenant_id),
    )


def view_market(
    *,
    facts: MarketFacts,
    project: Project,
    image: str | None,
    max_duration_s: int | None,
    now: datetime,
    accelerators: Sequence[str] = (),
    offer_ids: Sequence[UUID] = (),
    plan: str = Plan.ON_DEMAND.value,
) -> MarketView:
    """Judge every offer on sale that matches, whatever its free stock; a constant number of queries.

    Args:
        facts: `read_market_facts` of this transaction.
        project: With its tenant; its data classes decide.
        image: What would run; None = not known yet.
        accelerators: Codes that would do; empty = any.
        offer_ids: Offers that would do; empty = any.
        plan: How capacity would be bought; an offer without a price for it is not shown.

    Raises:
        DataClassUnknown: A class has no rule in force.
    """
    offers = facts.matching(accelerators=accelerators, offer_ids=offer_ids)
    requirements = facts.requirements_in_force(data_classes=project.data_classes, now=now)
    verdicts = judge_offers(
        facts=facts,
        offers=offers,
        requirements=requirements,
        customer=read_customer(facts=facts, project=project),
        image=image,
        max_duration_s=max_duration_s,
        now=now,
    )
    permitted: list[tuple[PricedOffer, Verdict]] = []
    reserved: list[tuple[PricedOffer, Verdict]] = []
    refused: list[tuple[PricedOffer, Verdict]] = []
    closed = _reserved_for_others(offers, project, now=now)
    for priced in _price(facts=facts, offers=offers, project=project, plan=plan, now=now):
        verdict = verdicts[priced.offer.id]
        open_ones = reserved if priced.offer.id in closed else permitted
        (open_ones if verdict.is_permitted else refused).append((priced, verdict))
    return MarketView(
        permitted=tuple(permitted), refused=tuple(refused), requirements=requirements, reserved=tuple(reserved)
    )


def _reserved_for_others(offers: Sequence[Offer], project: Project, *, now: datetime) -> frozenset[UUID]:
    """Offers sold by reservation only, without those for which the organization agreed a price of its own; mostly no query."""
    by_reservation = frozenset(offer.id for offer in offers if offer.access == OfferAccess.RESERVATION)
    if not by_reservation:
        return by_reservation
    return by_reservation - list_offers_priced_for(tenant_id=project.tenant_id, now=now)


def judge_offers(
    *,
    facts: MarketFacts,
    offers: Sequence[Offer],
    requirements: Sequence[Requirements],
    customer: CustomerFacts,
    image: str | None,
    max_duration_s: int | None,
    now: datetime,
) -> dict[UUID, Verdict]:
    """The sovereignty verdict for each offer, by offer id; reads nothing."""
    covers_until = now + timedelta(seconds=max_duration_s) if max_duration_s is not None else None
    return {
        offer.id: permits(
            requirements=requirements,
            site=facts.sites[offer.site_id],
            isolation_class=offer.accelerator.isolation_class,
            scheme_levels=facts.scheme_levels,
            now=now,
            covers_until=covers_until,
            customer=customer,
            image=image,
        )
        for offer in offers
    }


def _price(
    *, facts: MarketFacts, offers: Sequence[Offer], project: Project, plan: str, now: datetime
) -> Sequence[PricedOffer]:
    """Offers with a price and a seller in force, cheapest first; one without either is not on sale yet."""
    buyer = Buyer(tenant_id=project.tenant_id, sector=project.tenant.sector)
    prices = _read_prices_for(facts.revision, buyer).in_force(offer_ids=[offer.id for offer in offers], now=now)
    selling = facts.selling_terms_in_force(now=now)
    priced = [
        PricedOffer(
            offer=offer,
            price=prices[offer.id][plan],
            plans=prices[offer.id],
            selling_term=selling[offer.site.provider_id],
        )
        for offer in offers
        if plan in prices.get(offer.id, ()) and offer.site.provider_id in selling
    ]
    return sorted(priced, key=lambda item: (item.price_micros_per_device_hour, item.offer.code))

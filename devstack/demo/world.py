"""The demo's market: two providers with one site each, their offers and prices, a bank and a manufacturer that rent.

Every name is invented. Written through the product's own operations, so that the demo shows nothing a real operator could
not set up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from billing.prices import publish_price
from clusters.operations import register_cluster
from marketplace.accounts.operations import create_user
from marketplace.inventory.assurance import add_certification
from marketplace.inventory.catalogue import load_catalogue
from marketplace.inventory.models import Accelerator, Provider, SellingMode, Site, Zone
from marketplace.inventory.operations import (
    create_offer,
    define_provider,
    define_seller,
    define_site,
    set_selling_term,
)
from marketplace.kernel.actors import Actor, as_actor, system_actor
from marketplace.quotas.models import ScopeKind, SelectorKind
from marketplace.quotas.operations import set_quota
from marketplace.sovereignty.baseline import load_baseline
from marketplace.tenants.models import Project, Role, Sector, Tenant
from marketplace.tenants.operations import add_billing_profile, add_member, approve_tenant, create_project

CERTIFIED_SITE: Final = "pangyo-finance"
UNCERTIFIED_SITE: Final = "chuncheon-general"
CERTIFIED_CLUSTER: Final = "pangyo-1"
UNCERTIFIED_CLUSTER: Final = "chuncheon-1"
MICROS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferPlan:
    """One offer of the demo: price in won per device-hour, VAT apart."""

    code: str
    accelerator: str
    site: str
    price_won: int
    devices_max: int
    cpu_millis_per_device: int = 16_000
    memory_mib_per_device: int = 196_608


OFFERS: Final = (
    OfferPlan(code="pangyo-h200", accelerator="nvidia-h200", site=CERTIFIED_SITE, price_won=5_400, devices_max=8),
    OfferPlan(
        code="pangyo-a100-mig-1g",
        accelerator="nvidia-a100-80g-mig-1g-10gb",
        site=CERTIFIED_SITE,
        price_won=390,
        devices_max=7,
        cpu_millis_per_device=4_000,
        memory_mib_per_device=32_768,
    ),
    OfferPlan(code="chuncheon-h200", accelerator="nvidia-h200", site=UNCERTIFIED_SITE, price_won=3_900, devices_max=8),
    OfferPlan(
        code="chuncheon-rngd",
        accelerator="furiosa-rngd",
        site=UNCERTIFIED_SITE,
        price_won=1_250,
        devices_max=8,
        memory_mib_per_device=98_304,
    ),
    OfferPlan(
        code="chuncheon-atom",
        accelerator="rebellions-atom",
        site=UNCERTIFIED_SITE,
        price_won=820,
        devices_max=8,
        memory_mib_per_device=98_304,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A tenant of the demo with its project and the person who signs in."""

    tenant: Tenant
    project: Project
    user_id: UUID
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything the story and the visitors need."""

    bank: Customer
    visitor: Customer
    operator_email: str


def build_world(*, kubeconfigs: Mapping[str, str], passwords: Mapping[str, str], now: datetime) -> World:
    """Write the market into an empty, migrated database.

    Args:
        kubeconfigs: Cluster name → kubeconfig text with Ondol's own service account; a site without one has no stock.
        passwords: `engineer`, `visitor` and `operator` → password, made by the caller and shown to nobody else.
        now: Prices, rules and certificates are in force from a day before.
    """
    actor = system_actor("demo")
    since = now - timedelta(days=1)
    with as_actor(actor):
        load_catalogue(actor=actor, now=now)
        load_baseline(actor=actor, effective_from=since, now=now)
        sites = _build_sites(actor=actor, since=since, now=now)
        _build_offers(actor=actor, sites=sites, now=now)
    for cluster, site in ((CERTIFIED_CLUSTER, CERTIFIED_SITE), (UNCERTIFIED_CLUSTER, UNCERTIFIED_SITE)):
        if cluster in kubeconfigs:
            register_cluster(
                actor=actor, site_id=sites[site].id, name=cluster, kubeconfig=kubeconfigs[cluster], now=now
            )
    with as_actor(actor):
        bank = _build_bank(actor=actor, password=passwords["engineer"], now=now)
        visitor = _build_visitor(actor=actor, password=passwords["visitor"], now=now)
        operator = create_user(
            actor=actor,
            email="operator@ondol.example",
            name="운영자",
            password=passwords["operator"],
            is_staff=True,
            now=now,
        )
    return World(bank=bank, visitor=visitor, operator_email=operator.email)


def _build_sites(*, actor: Actor, since: datetime, now: datetime) -> dict[str, Site]:
    hanbit = _build_provider(
        actor=actor,
        code="hanbit",
        name_ko="한빛클라우드",
        name_en="Hanbit Cloud",
        number="2018100015",
        since=since,
        now=now,
    )
    nuri = _build_provider(
        actor=actor,
        code="nuri",
        name_ko="누리컴퓨팅",
        name_en="Nuri Computing",
        number="3028100021",
        since=since,
        now=now,
    )
    certified = define_site(
        actor=actor, provider_id=hanbit.id, code=CERTIFIED_SITE, name_ko="판교 금융센터", name_en="Pangyo finance centre",
        zone=Zone.FINANCE, is_network_separated=True, now=now,
    )  # fmt: skip
    general = define_site(
        actor=actor, provider_id=nuri.id, code=UNCERTIFIED_SITE, name_ko="춘천 일반센터", name_en="Chuncheon general centre",
        zone=Zone.GENERAL, now=now,
    )  # fmt: skip
    valid_to = now + timedelta(days=700)
    for scheme, level, document in (
        ("csap", "mid", "CSAP-2025-0117"),
        ("isms-p", "", "ISMS-P-KISA-2025-031"),
        ("finance-csp", "", "FSI-CSP-2025-009"),
    ):
        add_certification(
            actor=actor, scheme=scheme, level=level, issuer="KISA" if scheme != "finance-csp" else "금융보안원",
            document_number=document, valid_from=since, valid_to=valid_to, site_id=certified.id, now=now,
        )  # fmt: skip
    add_certification(
        actor=actor, scheme="csap", level="low", issuer="KISA", document_number="CSAP-2025-0242", valid_from=since,
        valid_to=valid_to, site_id=general.id, now=now,
    )  # fmt: skip
    return {CERTIFIED_SITE: certified, UNCERTIFIED_SITE: general}


def _build_provider(
    *, actor: Actor, code: str, name_ko: str, name_en: str, number: str, since: datetime, now: datetime
) -> Provider:
    provider = define_provider(actor=actor, code=code, name_ko=name_ko, name_en=name_en, now=now)
    seller = define_seller(
        actor=actor, legal_name=f"주식회사 {name_ko}", business_number=number, representative="대표이사",
        address="대한민국", now=now,
    )  # fmt: skip
    set_selling_term(
        actor=actor,
        provider_id=provider.id,
        mode=SellingMode.BROKERED,
        seller_id=seller.id,
        effective_from=since,
        now=now,
    )
    return provider


def _build_offers(*, actor: Actor, sites: Mapping[str, Site], now: datetime) -> None:
    accelerators = {accelerator.code: accelerator for accelerator in Accelerator.objects.all()}
    for plan in OFFERS:
        offer = create_offer(
            actor=actor,
            code=plan.code,
            accelerator_id=accelerators[plan.accelerator].id,
            site_id=sites[plan.site].id,
            cpu_millis_per_device=plan.cpu_millis_per_device,
            memory_mib_per_device=plan.memory_mib_per_device,
            devices_max=plan.devices_max,
            now=now,
        )
        publish_price(
            actor=actor,
            offer_id=offer.id,
            price_micros_per_device_hour=plan.price_won * MICROS,
            effective_from=now,
            now=now,
        )


def _build_bank(*, actor: Actor, password: str, now: datetime) -> Customer:
    """The story's tenant: a bank whose project holds personal credit data."""
    return _build_customer(
        actor=actor, name="가온은행", sector=Sector.FINANCE, number="1168100018", project_name="신용평가 모델",
        slug="credit-scoring", data_class="personal-credit", cost_centre="리스크-310",
        email="engineer@gaon.example", person="가온은행 ML 엔지니어", password=password, devices=16, now=now,
    )  # fmt: skip


def _build_visitor(*, actor: Actor, password: str, now: datetime) -> Customer:
    """The tenant that visitors of the demo sign in to."""
    return _build_customer(
        actor=actor, name="다솜정밀", sector=Sector.MANUFACTURING, number="6068100016", project_name="결함 검사",
        slug="defect-inspection", data_class="open", cost_centre="생산기술-120",
        email="visitor@dasom.example", person="다솜정밀 개발자", password=password, devices=16, now=now,
    )  # fmt: skip


def _build_customer(
    *,
    actor: Actor,
    name: str,
    sector: Sector,
    number: str,
    project_name: str,
    slug: str,
    data_class: str,
    cost_centre: str,
    email: str,
    person: str,
    password: str,
    devices: int,
    now: datetime,
) -> Customer:
    tenant = approve_tenant(actor=actor, name=name, sector=sector, now=now)
    profile = add_billing_profile(
        actor=actor, tenant_id=tenant.id, name="본사", company_name=f"주식회사 {name}", business_number=number,
        representative="대표이사", address="대한민국", department="전산 담당", email=f"billing@{email.split('@')[1]}", now=now,
    )  # fmt: skip
    project = create_project(
        actor=actor, tenant_id=tenant.id, name=project_name, slug=slug, data_classes=[data_class],
        billing_profile_id=profile.id, cost_centre=cost_centre, now=now,
    )  # fmt: skip
    user = create_user(actor=actor, email=email, name=person, password=password, now=now)
    add_member(actor=actor, tenant_id=tenant.id, user_id=user.id, role=Role.OWNER, now=now)
    for scope_kind, scope_id in ((ScopeKind.TENANT, tenant.id), (ScopeKind.PROJECT, project.id)):
        set_quota(
            actor=actor, tenant_id=tenant.id, scope_kind=scope_kind, scope_id=scope_id,
            selector_kind=SelectorKind.ANY, selector="", limit=devices, now=now,
        )  # fmt: skip
    return Customer(tenant=tenant, project=project, user_id=user.id, email=email)

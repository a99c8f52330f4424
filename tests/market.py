"""A small market in the database, written through the product's own operations; for tests without clusters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.prices import publish_price
from marketplace.instances.models import Instance
from marketplace.instances.operations import InstanceSpec, begin_stopping, record_gone, record_started
from marketplace.instances.states import Reason
from marketplace.inventory.assurance import add_certification
from marketplace.inventory.catalogue import load_catalogue
from marketplace.inventory.models import Accelerator, Cluster, Offer, SellingMode, Site
from marketplace.inventory.operations import (
    create_offer,
    define_provider,
    define_seller,
    define_site,
    set_selling_term,
)
from marketplace.inventory.stock import ObservedNode, record_node, record_seen, register_cluster_row
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.rent import RentRequest, rent
from marketplace.kernel import ids
from marketplace.kernel.actors import Actor, ActorKind, as_actor, system_actor
from marketplace.quotas.models import ScopeKind, SelectorKind
from marketplace.quotas.operations import set_quota
from marketplace.sovereignty.baseline import load_baseline
from marketplace.tenants.models import Project, Sector, Tenant
from marketplace.tenants.models.billing_profile import Rounding
from marketplace.tenants.operations import add_billing_profile, approve_tenant, create_project
from marketplace.tenants.permissions import PERMISSIONS

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
"""Noon in Seoul on a November day."""
STAFF = system_actor("test")
PRICE_MICROS = 5_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Renter:
    """A tenant with one project, and an actor with every permission in it."""

    tenant: Tenant
    project: Project
    actor: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallMarket:
    """One certified site with one cluster, one node of eight H200s and one offer at ₩5,400."""

    site: Site
    cluster: Cluster
    offer: Offer
    accelerator: Accelerator


def build_market(*, devices: int = 8, now: datetime = NOW, is_certified: bool = True) -> SmallMarket:
    """Write the market."""
    since = now - timedelta(days=1)
    with as_actor(STAFF):
        load_catalogue(actor=STAFF, now=since)
        load_baseline(actor=STAFF, effective_from=since, now=since)
        provider = define_provider(actor=STAFF, code="hanbit", name_ko="한빛", name_en="Hanbit", now=since)
        seller = define_seller(actor=STAFF, legal_name="주식회사 한빛", business_number="2018100015", now=since)
        set_selling_term(
            actor=STAFF,
            provider_id=provider.id,
            mode=SellingMode.BROKERED,
            seller_id=seller.id,
            effective_from=since,
            now=since,
        )
        site = define_site(
            actor=STAFF, provider_id=provider.id, code="pangyo", name_ko="판교", name_en="Pangyo", now=since
        )
        if is_certified:
            for scheme in ("finance-csp", "isms-p"):
                certify(site, scheme, now=since)
        accelerator = Accelerator.objects.get(code="nvidia-h200")
        offer = create_offer(
            actor=STAFF, code="pangyo-h200", accelerator_id=accelerator.id, site_id=site.id, cpu_millis_per_device=16_000,
            memory_mib_per_device=100_000, devices_max=8, now=since,
        )  # fmt: skip
        publish_price(
            actor=STAFF, offer_id=offer.id, price_micros_per_device_hour=PRICE_MICROS, effective_from=since, now=since
        )
        cluster = register_cluster_row(
            site_id=site.id, name="pangyo-1", identity=ids.new_id(), version="v1.37.2", now=now
        )
    market = SmallMarket(site=site, cluster=cluster, offer=offer, accelerator=accelerator)
    add_stock(market, devices=devices, now=now)
    return market


def certify(site: Site, scheme: str, *, level: str = "", days: int = 400, now: datetime = NOW) -> None:
    """Give a site a certificate that holds so many days from `now`; within an open staff transaction."""
    add_certification(
        actor=STAFF, scheme=scheme, level=level, issuer="test", document_number=f"{scheme}-{site.code}", site_id=site.id,
        valid_from=now, valid_to=now + timedelta(days=days), now=now,
    )  # fmt: skip


def add_stock(
    market: SmallMarket,
    *,
    devices: int = 8,
    name: str = "node-1",
    now: datetime = NOW,
    foreign: int = 0,
    allocatable: int | None = None,
    driver: str = "580.95.05",
    **changes: Any,
) -> None:
    """Have the cluster show a node, or show it anew; `changes` are members of what is observed."""
    fine: dict[str, Any] = {
        "is_ready": True,
        "is_schedulable": True,
        "not_ready_since": None,
        "labels": {},
        "taint_keys": [],
        "driver_version": driver,
        "firmware_version": "",
        "runtime_version": "",
        "allocatable_cpu_millis": 192_000,
        "foreign_cpu_millis": 0,
        "allocatable_memory_mib": 2_000_000,
        "foreign_memory_mib": 0,
        "stock": {market.accelerator.id: (devices, devices if allocatable is None else allocatable, foreign)},
    }
    with as_actor(STAFF):
        record_node(
            cluster_id=market.cluster.id,
            now=now,
            observed=ObservedNode(name=name, uid=f"uid-{name}", **{**fine, **changes}),
        )


def add_renter(
    *,
    number: str = "1168100018",
    name: str = "가온은행",
    data_classes: Sequence[str] = ("personal-credit",),
    quota: int | None = 16,
    rounding: Rounding = Rounding.WON,
    sector: Sector = Sector.FINANCE,
    now: datetime = NOW,
) -> Renter:
    """A tenant with one project; `quota` in devices for the tenant, None for no quota row."""
    with as_actor(STAFF):
        tenant = approve_tenant(actor=STAFF, name=name, sector=sector, now=now)
        profile = add_billing_profile(
            actor=STAFF, tenant_id=tenant.id, name="본사", company_name=f"주식회사 {name}", business_number=number,
            rounding=rounding, now=now,
        )  # fmt: skip
        project = create_project(
            actor=STAFF, tenant_id=tenant.id, name="신용평가", slug="credit", data_classes=data_classes,
            billing_profile_id=profile.id, cost_centre="리스크-310", now=now,
        )  # fmt: skip
        if quota is not None:
            set_quota(
                actor=STAFF, tenant_id=tenant.id, scope_kind=ScopeKind.TENANT, scope_id=tenant.id,
                selector_kind=SelectorKind.ANY, selector="", limit=quota, now=now,
            )  # fmt: skip
    actor = Actor(kind=ActorKind.CUSTOMER, name="test-key", tenant_id=tenant.id, permissions=PERMISSIONS)
    return Renter(tenant=tenant, project=project, actor=actor)


def request_of(renter: Renter, **changes: Any) -> RentRequest:
    """A request for two H200s, with changes."""
    spec: dict[str, Any] = {
        "name": "train",
        "kind": "interactive",
        "accelerators": ["nvidia-h200"],
        "devices": 2,
        "image": "registry.example/pytorch:2.8",
    }
    return RentRequest(project_id=renter.project.id, spec=InstanceSpec(**{**spec, **changes}))


def rent_as(renter: Renter, *, now: datetime = NOW, **changes: Any) -> Instance:
    """Rent in a transaction of its own."""
    with as_actor(renter.actor):
        return rent(actor=renter.actor, request=request_of(renter, **changes), now=now)


def see_clusters(*, now: datetime) -> None:
    """Have every cluster answer at `now`, so that its stock is sold."""
    with as_actor(STAFF):
        for cluster_id in Cluster.objects.values_list("id", flat=True):
            record_seen(cluster_id=cluster_id, version="", now=now)


def run_instance(renter: Renter, *, started_at: datetime, ended_at: datetime | None, **changes: Any) -> Instance:
    """Rent, place, run and, unless `ended_at` is None, end an instance at exact instants, as a cluster would report them."""
    see_clusters(now=started_at)
    instance = rent_as(renter, now=started_at, **changes)
    admit_pass(holder="test", now=started_at)
    with as_actor(STAFF):
        assert record_started(
            instance_id=instance.id, attempt=1, started_at=started_at, reported_at=started_at, now=started_at
        )
    if ended_at is not None:
        with as_actor(STAFF):
            assert begin_stopping(
                instance_id=instance.id, attempt=1, reason=Reason.COMPLETED, occurred_at=ended_at, now=ended_at
            )
        with as_actor(STAFF):
            record_gone(instance_id=instance.id, attempt=1, now=ended_at)
    with as_actor(STAFF):
        instance.refresh_from_db()
    return instance

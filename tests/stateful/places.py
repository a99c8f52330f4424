"""A market of two sites of two providers, and what may be asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from hypothesis import strategies as st

from billing.prices import PriceDraft, publish, publish_price
from marketplace.instances.states import Reason
from marketplace.inventory.models import (
    Accelerator,
    SellingMode,
)
from marketplace.inventory.operations import (
    create_offer,
    define_provider,
    define_seller,
    define_site,
    set_selling_term,
)
from marketplace.inventory.stock import (
    record_nodes_gone,
    register_cluster_row,
)
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from tests.market import NOW, STAFF, build_market

H200, MIG, ATOM = "nvidia-h200", "nvidia-a100-80g-mig-1g-10gb", "rebellions-atom"
PLACES: Final[Mapping[str, tuple[str, Mapping[str, int]]]] = {
    "home-1": ("pangyo", {H200: 8}),
    "home-2": ("pangyo", {H200: 8}),
    "home-mig": ("pangyo", {MIG: 14}),
    "away-1": ("chuncheon", {H200: 4}),
    "away-atom": ("chuncheon", {ATOM: 4}),
}
"""The certified site has whole cards and partitions, the other one cards and grouped NPUs."""
SHAPES: Final = (
    ((H200,), 1, 1), ((H200,), 2, 1), ((H200,), 4, 1), ((H200,), 8, 1), ((H200,), 8, 2), ((H200,), 3, 2), ((MIG,), 1, 1),
    ((MIG,), 7, 1), ((ATOM,), 1, 1), ((ATOM,), 2, 1), ((), 1, 1), ((H200, ATOM), 2, 1), ((H200, MIG), 4, 1), ((H200,), 9, 1),
)  # fmt: skip
"""Accelerators, devices on each node, nodes."""
CLASSES: Final = ("personal-credit", "open", "national-core-technology")
ENDINGS: Final = (
    Reason.COMPLETED, Reason.EXITED_WITH_ERROR, Reason.POD_LOST, Reason.EVICTED, Reason.NODE_LOST, Reason.UNSCHEDULABLE,
    Reason.START_FAILED,
)  # fmt: skip
WHICH: Final = st.integers(0, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: of which tenant, (accelerators, devices on each node, nodes), and on which terms."""

    who: int
    shape: tuple[tuple[str, ...], int, int]
    duration_s: int | None
    max_wait_s: int | None
    is_cheap: bool
    priority: int


ASKS: Final = st.builds(
    Ask, who=st.integers(0, 2), shape=st.sampled_from(SHAPES), duration_s=st.sampled_from([None, None, 60, 3_600, 864_000]),
    max_wait_s=st.sampled_from([None, None, None, 0, 300]), is_cheap=st.booleans(), priority=st.integers(-1, 1),
)  # fmt: skip


def build_places() -> dict[str, UUID]:
    """Two providers with a site each and the offers there; cluster ids by site."""
    small = build_market()
    since = NOW - timedelta(days=1)
    with as_actor(STAFF):
        provider = define_provider(actor=STAFF, code="nuri", name_ko="누리", name_en="Nuri", now=since)
        seller = define_seller(actor=STAFF, legal_name="주식회사 누리", business_number="3028100021", now=since)
        set_selling_term(
            actor=STAFF, provider_id=provider.id, mode=SellingMode.BROKERED, seller_id=seller.id, effective_from=since,
            now=since,
        )  # fmt: skip
        away = define_site(
            actor=STAFF, provider_id=provider.id, code="chuncheon", name_ko="춘천", name_en="Chuncheon", now=since
        )
        for code, accelerator, site, price_won in (
            ("pangyo-mig", MIG, small.site, 390), ("chuncheon-h200", H200, away, 3_900), ("chuncheon-atom", ATOM, away, 820),
        ):  # fmt: skip
            offer = create_offer(
                actor=STAFF, code=code, accelerator_id=Accelerator.objects.get(code=accelerator).id, site_id=site.id,
                cpu_millis_per_device=4_000 if accelerator == MIG else 16_000, memory_mib_per_device=100_000, devices_max=8,
                now=since,
            )  # fmt: skip
            publish_price(
                actor=STAFF, offer_id=offer.id, price_micros_per_device_hour=price_won * 1_000_000, effective_from=since,
                now=since,
            )  # fmt: skip
        draft = PriceDraft(offer_id=small.offer.id, price_micros=2_700_000_000, plan="interruptible")
        publish(actor=STAFF, draft=draft, effective_from=NOW, now=NOW)
        other = register_cluster_row(
            site_id=away.id, name="chuncheon-1", identity=ids.new_id(), version="v1.37.2", now=NOW
        )
        record_nodes_gone(cluster_id=small.cluster.id, present=[], now=NOW)
    return {"pangyo": small.cluster.id, "chuncheon": other.id}

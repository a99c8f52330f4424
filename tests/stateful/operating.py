"""What operators do."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from marketplace.inventory.assurance import add_certification, revoke_certification
from marketplace.inventory.judging import judge_nodes
from marketplace.inventory.maintenance import cancel_maintenance, end_maintenance, plan_maintenance
from marketplace.inventory.models import (
    Certification,
    Component,
    Drain,
    MaintenanceWindow,
    NodeStock,
    Quarantine,
    Site,
)
from marketplace.inventory.quarantine import (
    quarantine_devices,
    quarantine_node,
    quarantine_version,
    release_quarantine,
    set_cordon,
)
from marketplace.inventory.stock import (
    record_failed_start,
)
from marketplace.journeys.maintain import drain_node
from marketplace.kernel.actors import as_actor
from marketplace.quotas.models import Enforcement, Meter, ScopeKind, SelectorKind, Share, ShareScope
from marketplace.quotas.operations import BelowUse, ShareEdit, revoke_share, set_quota, set_share
from tests.market import STAFF
from tests.stateful.machine import MarketMachine
from tests.stateful.places import ATOM, H200, PLACES, WHICH


def kind_of(selector: str) -> SelectorKind:
    """Any, a kind, or an accelerator."""
    if not selector:
        return SelectorKind.ANY
    return SelectorKind.KIND if selector in ("gpu", "npu") else SelectorKind.ACCELERATOR


class Operating(MarketMachine):
    """Steps of the console."""

    @rule(
        who=st.integers(0, 2), scope=st.sampled_from([ScopeKind.TENANT, ScopeKind.PROJECT]),
        selector=st.sampled_from(["", "gpu", "npu", H200, ATOM]), limit=st.integers(0, 24),
        meter=st.sampled_from([Meter.DEVICES, Meter.DEVICES, Meter.INSTANCES]), below=st.sampled_from(list(BelowUse)),
        enforcement=st.sampled_from([Enforcement.HARD, Enforcement.HARD, Enforcement.WARN]),
    )  # fmt: skip
    def edit_quota(
        self,
        who: int,
        scope: ScopeKind,
        selector: str,
        limit: int,
        meter: Meter,
        below: BelowUse,
        enforcement: Enforcement,
    ) -> None:
        """A limit is set, for the first time or anew."""
        renter, now = self.renters[who], self.tick()
        with self.may_be_refused(), as_actor(STAFF):
            set_quota(
                actor=STAFF, tenant_id=renter.tenant.id, scope_kind=scope,
                scope_id=renter.tenant.id if scope == ScopeKind.TENANT else renter.project.id, selector=selector,
                selector_kind=kind_of(selector), limit=limit, meter=meter, enforcement=enforcement, below_use=below,
                now=now,
            )  # fmt: skip

    @rule(
        sector=st.sampled_from(["", "finance"]), selector=st.sampled_from(["", "gpu", H200]), limit=st.integers(0, 24),
        meter=st.sampled_from([Meter.DEVICES, Meter.INSTANCES]), is_revoked=st.booleans(),
    )  # fmt: skip
    def edit_share(self, sector: str, selector: str, limit: int, meter: Meter, is_revoked: bool) -> None:
        """A sector's or the platform's share is set or ended."""
        now = self.tick()
        if is_revoked:
            with as_actor(STAFF):
                for share_id in Share.objects.filter(revoked_at__isnull=True).values_list("id", flat=True)[:1]:
                    revoke_share(actor=STAFF, share_id=share_id, reason="test", now=now)
            return
        edit = ShareEdit(
            scope_kind=ShareScope.SECTOR if sector else ShareScope.PLATFORM, sector=sector, selector=selector,
            selector_kind=kind_of(selector), meter=meter, limit=limit, overcommit_percent=1000,
        )  # fmt: skip
        with self.may_be_refused(), as_actor(STAFF):
            set_share(actor=STAFF, edit=edit, reason="test", now=now)

    @rule(
        site=st.sampled_from(["pangyo", "chuncheon"]), scheme=st.sampled_from(["finance-csp", "isms-p"]),
        days=st.sampled_from([1, 29, 31, 400]), of_provider=st.booleans(),
    )  # fmt: skip
    def certify(self, site: str, scheme: str, days: int, of_provider: bool) -> None:
        """A site, or its provider for all its sites, is certified; soon it expires."""
        now = self.tick()
        with self.may_be_refused(), as_actor(STAFF):
            place = Site.objects.get(code=site)
            add_certification(
                actor=STAFF, scheme=scheme, level="", issuer="test", document_number="x", valid_from=now,
                valid_to=now + timedelta(days=days), site_id=None if of_provider else place.id,
                provider_id=place.provider_id if of_provider else None, now=now,
            )  # fmt: skip

    @rule(which=WHICH)
    def revoke_certificate(self, which: int) -> None:
        """At this second it no longer holds."""
        now = self.tick()
        with as_actor(STAFF):
            rows = list(
                Certification.objects.filter(revoked_at__isnull=True).order_by("id").values_list("id", flat=True)
            )
            if rows:
                revoke_certification(actor=STAFF, certification_id=rows[which % len(rows)], reason="x", now=now)

    @rule(
        name=st.sampled_from(sorted(PLACES)), of=st.sampled_from(["node", "cluster", "site"]), drain=st.sampled_from(list(Drain)),
        in_minutes=st.sampled_from([0, 5, 90]), minutes=st.sampled_from([10, 600]),
    )  # fmt: skip
    def plan_maintenance(self, name: str, of: str, drain: Drain, in_minutes: int, minutes: int) -> None:
        """Planned work on a node, a cluster or a site."""
        now = self.tick()
        node = self.node(name)
        starts_at = now + timedelta(minutes=in_minutes)
        with self.may_be_refused(), as_actor(STAFF):
            plan_maintenance(
                actor=STAFF, starts_at=starts_at, ends_at=starts_at + timedelta(minutes=minutes), drain=drain, reason="x",
                node_id=node.id if of == "node" else None, cluster_id=node.cluster_id if of == "cluster" else None,
                site_id=node.cluster.site_id if of == "site" else None, now=now,
            )  # fmt: skip

    @rule(which=WHICH, act=st.sampled_from([cancel_maintenance, end_maintenance]))
    def stop_maintenance(self, which: int, act: Callable[..., object]) -> None:
        """Called off, or done early."""
        now = self.tick()
        with as_actor(STAFF):
            rows = list(MaintenanceWindow.objects.order_by("id").values_list("id", flat=True))
        if rows:
            with self.may_be_refused(), as_actor(STAFF):
                act(actor=STAFF, window_id=rows[which % len(rows)], reason="x", now=now)

    @rule(
        name=st.sampled_from(sorted(PLACES)),
        what=st.sampled_from(["node", "devices", "version"]),
        devices=st.integers(1, 8),
    )
    def quarantine(self, name: str, what: str, devices: int) -> None:
        """Out of sale; what runs stays."""
        now = self.tick()
        node = self.node(name)
        with self.may_be_refused(), as_actor(STAFF):
            if what == "node":
                quarantine_node(actor=STAFF, node_id=node.id, reason="x", now=now)
            elif what == "version":
                quarantine_version(
                    actor=STAFF,
                    vendor="NVIDIA",
                    component=Component.DRIVER,
                    version=node.driver_version,
                    reason="x",
                    now=now,
                )
            else:
                stock = NodeStock.objects.filter(node=node).order_by("id")[0]
                quarantine_devices(actor=STAFF, stock_id=stock.id, devices=devices, reason="x", now=now)

    @rule(which=WHICH)
    def release(self, which: int) -> None:
        """Sold again."""
        now = self.tick()
        with as_actor(STAFF):
            rows = list(Quarantine.objects.filter(released_at__isnull=True).order_by("id").values_list("id", flat=True))
            if rows:
                release_quarantine(actor=STAFF, quarantine_id=rows[which % len(rows)], reason="x", now=now)

    @rule(name=st.sampled_from(sorted(PLACES)), how=st.sampled_from(["cordon", "uncordon", "drain", "fail_starts"]))
    def turn_node(self, name: str, how: str) -> None:
        """Cordoned, sold again, drained, or it fails three starts and is judged."""
        now = self.tick()
        node = self.node(name)
        with as_actor(STAFF):
            if how == "drain":
                drain_node(actor=STAFF, node_id=node.id, reason="x", now=now)
            elif how == "fail_starts":
                for _ in range(3):
                    record_failed_start(node_id=node.id, message="OutOfnvidia.com/gpu", now=now)
                judge_nodes(actor=STAFF, now=now)
            else:
                set_cordon(actor=STAFF, node_id=node.id, is_cordoned=how == "cordon", reason="x", now=now)

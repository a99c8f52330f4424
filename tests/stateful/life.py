"""What customers, clusters and time do."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from marketplace.instances.operations import begin_stopping, interrupt_due, record_gone, stop_overdue
from marketplace.instances.states import Action, Reason
from marketplace.inventory.judging import judge_nodes
from marketplace.inventory.stock import (
    record_nodes_gone,
)
from marketplace.journeys.maintain import maintain
from marketplace.journeys.rent import rent
from marketplace.journeys.stop import request_action
from marketplace.kernel.actors import as_actor
from tests.market import STAFF, request_of
from tests.stateful.machine import MarketMachine
from tests.stateful.places import ASKS, ENDINGS, H200, PLACES, WHICH, Ask


class Life(MarketMachine):
    """Steps that nobody plans."""

    # What customers do.

    @rule(asks=st.lists(ASKS, min_size=1, max_size=5))
    def rent(self, asks: list[Ask]) -> None:
        """Ask for devices, one after the other."""
        self.ask_for(asks)

    @initialize(asks=st.lists(ASKS, min_size=4, max_size=12))
    def begin(self, asks: list[Ask]) -> None:
        """No market begins empty."""
        self.ask_for(asks)

    def ask_for(self, asks: list[Ask]) -> None:
        """Rent what is allowed."""
        for ask in asks:
            actor, now = self.renters[ask.who].actor, self.tick()
            accelerators, devices, nodes = ask.shape
            asked = request_of(
                self.renters[ask.who], accelerators=accelerators, devices=devices, nodes=nodes,
                max_duration_s=ask.duration_s, max_wait_s=ask.max_wait_s, priority=ask.priority,
            )  # fmt: skip
            plan = "interruptible" if ask.is_cheap and accelerators == (H200,) else "on_demand"
            with self.may_be_refused(), as_actor(actor):
                rent(actor=actor, request=replace(asked, plan=plan), now=now)
            self.nothing_is_wrong()

    @rule(which=WHICH, action=st.sampled_from(list(Action)))
    def act(self, which: int, action: Action) -> None:
        """Stop, end or start again."""
        row = self.pick(which, "queued", "provisioning", "running", "stopping", "stopped")
        if row is not None:
            actor = next(item.actor for item in self.renters if str(item.tenant.id) == row["tenant_id"])
            now = self.tick()
            with self.may_be_refused(), as_actor(actor):
                request_action(actor=actor, instance_id=UUID(row["id"]), action=action, now=now)

    # What clusters show.

    @rule(which=WHICH)
    def start(self, which: int) -> None:
        """Every rank's container runs."""
        row = self.pick(which, "provisioning")
        if row is not None:
            self.start_all(row)

    @rule(which=WHICH, reason=st.sampled_from(ENDINGS))
    def end(self, which: int, reason: Reason) -> None:
        """A pod ends, fails or is lost."""
        row = self.pick(which, "provisioning", "running")
        if row is not None:
            now = self.tick()
            with as_actor(STAFF):
                begin_stopping(
                    instance_id=UUID(row["id"]), attempt=row["attempt"], reason=reason, occurred_at=now, now=now
                )

    @rule(which=WHICH, rank=st.none() | st.integers(0, 1), is_late=st.booleans())
    def see_gone(self, which: int, rank: int | None, is_late: bool) -> None:
        """Pods are gone, of one rank or of all; news may come for an attempt that is over."""
        row = (
            self.pick(which, "queued", "provisioning", "running", "stopping")
            if is_late
            else self.pick(which, "stopping")
        )
        if row is not None:
            attempt, now = row["attempt"] - is_late, self.tick()
            with as_actor(STAFF):
                record_gone(instance_id=UUID(row["id"]), attempt=attempt, rank=rank, now=now)

    @rule(
        name=st.sampled_from(sorted(PLACES)),
        missing=st.integers(0, 8),
        foreign=st.integers(0, 4),
        shrinks=st.booleans(),
    )
    def change_node(self, name: str, missing: int, foreign: int, shrinks: bool) -> None:
        """Allocatable shrinks below what is promised, foreign pods come, or all is well again."""
        devices = {
            code: (
                max(0, count - missing) if shrinks else count, max(0, count - missing), min(foreign, max(0, count - missing)),
            )
            for code, count in PLACES[name][1].items()
        }  # fmt: skip
        self.tick()
        self.show(name, devices)

    @rule(name=st.sampled_from(sorted(PLACES)))
    def mend_node(self, name: str) -> None:
        """Ready, schedulable, whole."""
        self.tick()
        self.show(name, {code: (count, count, 0) for code, count in PLACES[name][1].items()})

    @rule(name=st.sampled_from(sorted(PLACES)), how=st.sampled_from(["unready", "unschedulable", "removed"]))
    def lose_node(self, name: str, how: str) -> None:
        """A node is lost; its pods are evicted at once."""
        now = self.tick()
        shown = self.shown[name]
        if how == "removed":
            self.shown[name] = replace(shown, is_fit=False)
            node = self.node(name)
            rest = [other for other in PLACES if PLACES[other][0] == PLACES[name][0] and self.shown[other].is_fit]
            with as_actor(STAFF):
                record_nodes_gone(cluster_id=node.cluster_id, present=rest, now=now)
            return
        self.show(name, shown.devices, is_ready=how != "unready", is_schedulable=False)

    @rule(site=st.sampled_from(["pangyo", "chuncheon"]))
    def turn_silence(self, site: str) -> None:
        """A cluster falls silent, or answers again."""
        self.silent ^= {site}
        self.now += timedelta(minutes=10)
        self.tick()

    # What time does.

    @rule()
    def turn_admitter(self) -> None:
        """It sleeps over the next steps, or wakes up to all that they did."""
        self.is_asleep = not self.is_asleep

    @rule()
    def settle(self) -> None:
        """Every pod that should be gone is gone."""
        for row in self.rows("stopping"):
            with as_actor(STAFF):
                record_gone(instance_id=UUID(row["id"]), attempt=row["attempt"], now=self.now)

    @rule(minutes=st.sampled_from([1, 3, 60, 1_440, 14_400]))
    def sweep(self, minutes: int) -> None:
        """Time goes by, and every sweep runs."""
        self.now += timedelta(minutes=minutes)
        now = self.tick()
        maintain(now=now)
        with as_actor(STAFF):
            interrupt_due(now=now)
            stop_overdue(now=now)
        with as_actor(STAFF):
            judge_nodes(actor=STAFF, now=now)

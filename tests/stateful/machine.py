"""The market under steps: what holds after each one, and what every step needs."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import connection
from hypothesis.stateful import RuleBasedStateMachine, invariant

from marketplace.instances.operations import record_started
from marketplace.inventory.models import (
    Accelerator,
    Node,
)
from marketplace.inventory.stock import (
    ObservedNode,
    record_node,
    record_seen,
)
from marketplace.journeys.admit import admit_pass
from marketplace.kernel.actors import as_actor
from marketplace.kernel.errors import OndolError
from tests.market import NOW, STAFF, add_renter
from tests.stateful import oracle
from tests.stateful.places import CLASSES, PLACES, build_places

DOCUMENTED: Final = oracle.read_documented_reasons(Path(__file__).parents[2] / "docs" / "queue.md")


class MarketMachine(RuleBasedStateMachine):
    """After each step nothing is wrong by the oracle, and a refusal has changed nothing.

    Attributes:
        open_database: Makes this example's own database and points Django at it; set by the test.
        happened: What the steps led to, over all examples; set by the test.
    """

    open_database: Callable[[], Any]
    happened: Counter[str]

    def __init__(self) -> None:
        """Build the market."""
        super().__init__()
        self.now = NOW
        self.database = self.open_database()
        self.database.__enter__()
        self.session = oracle.connect(connection.settings_dict)
        self.market = build_places()
        self.renters = [add_renter(name=name, data_classes=[name], quota=20) for name in CLASSES]
        self.shown: dict[str, oracle.Shown] = {}
        self.silent: set[str] = set()
        for name, (_site, devices) in PLACES.items():
            self.show(name, {code: (count, count, 0) for code, count in devices.items()})
        self.look = oracle.take(self.session, now=self.now)
        self.is_asleep = False

    def teardown(self) -> None:
        """Drop the database."""
        self.session.close()
        self.database.__exit__(None, None, None)

    @invariant()
    def life_goes_on(self) -> None:
        """After each step nothing is wrong; then the admitter looks, unless it sleeps, and every other pod that is due runs."""
        self.nothing_is_wrong()
        if self.is_asleep:
            return
        assert admit_pass(holder="test", now=self.tick()).is_active
        self.nothing_is_wrong(has_looked=True)
        for row in self.rows("provisioning")[::2]:
            self.start_all(row)
        self.nothing_is_wrong()

    def nothing_is_wrong(self, *, has_looked: bool = False) -> None:
        """Oracle Q, and a reason for everything that waits once the admitter has looked."""
        look = oracle.take(self.session, now=self.now)
        wrong = [*oracle.wrong_in(look), *oracle.wrong_between(self.look, look, self.shown)]
        if has_looked:
            wrong += oracle.list_untold(look, documented=DOCUMENTED)
            self.happened.update(row["reason"] for row in look.instances.values() if row["state"] == "queued")
        assert wrong == []
        self.count(look)
        self.look = look

    def count(self, look: oracle.Look) -> None:
        """So that the test can say that something happened at all."""
        placed = {row["instance_id"] for key, row in look.allocations.items() if key not in self.look.allocations}
        self.happened["placed"] += len(placed)
        self.happened["placed again"] += sum(look.instances[key]["attempt"] > 1 for key in placed)
        self.happened["gangs placed"] += sum(look.instances[key]["nodes"] > 1 for key in placed)
        self.happened["freed"] += len(self.look.allocations.keys() - look.allocations.keys())
        self.happened["overcommitted"] += sum(
            row["promised"] > self.shown[row["name"]].devices[row["code"]][1] for row in look.stock.values()
            if row["name"] in self.shown and row["promised"]
        )  # fmt: skip

    def tick(self) -> Any:
        """A second later; clusters that are not silent were just heard."""
        self.now += timedelta(seconds=1)
        with as_actor(STAFF):
            for site, cluster_id in self.market.items():
                if site not in self.silent:
                    record_seen(cluster_id=cluster_id, version="", now=self.now)
        return self.now

    def start_all(self, row: oracle.Row) -> None:
        """Have every rank's container run."""
        now = self.tick()
        for rank in range(row["nodes"]):
            with as_actor(STAFF):
                record_started(
                    instance_id=UUID(row["id"]),
                    attempt=row["attempt"],
                    rank=rank,
                    started_at=now,
                    reported_at=now,
                    now=now,
                )

    def pick(self, which: int, *states: str) -> oracle.Row | None:
        """One of the instances in the states, as last seen."""
        rows = self.rows(*states)
        return rows[which % len(rows)] if rows else None

    def rows(self, *states: str) -> list[oracle.Row]:
        """The instances in the states, as last seen."""
        return [row for row in self.look.instances.values() if row["state"] in states]

    def node(self, name: str) -> Node:
        """As it stands in the database."""
        with as_actor(STAFF):
            return Node.objects.select_related("cluster").get(name=name)

    def show(
        self,
        name: str,
        devices: Mapping[str, tuple[int, int, int]],
        *,
        is_ready: bool = True,
        is_schedulable: bool = True,
    ) -> None:
        """Have a cluster show a node."""
        site = PLACES[name][0]
        self.shown[name] = oracle.Shown(
            is_fit=is_ready and is_schedulable, devices=dict(devices), cpu_millis=192_000, memory_mib=2_000_000
        )
        with as_actor(STAFF):
            codes = dict(Accelerator.objects.filter(code__in=devices).values_list("code", "id"))
            observed = ObservedNode(
                name=name, uid=f"uid-{name}", is_ready=is_ready, is_schedulable=is_schedulable,
                not_ready_since=None if is_ready else self.now, labels={}, taint_keys=[], driver_version=f"580.{name[-1]}",
                firmware_version="", runtime_version="", allocatable_cpu_millis=192_000, foreign_cpu_millis=0,
                allocatable_memory_mib=2_000_000, foreign_memory_mib=0,
                stock={codes[code]: counts for code, counts in devices.items()},
            )  # fmt: skip
            record_node(cluster_id=self.market[site], observed=observed, now=self.now)

    @contextmanager
    def may_be_refused(self) -> Iterator[None]:
        """What Ondol refuses has changed nothing."""
        try:
            yield
        except OndolError:
            self.happened["refused"] += 1
            after = oracle.take(self.session, now=self.look.at)
            assert after == self.look, "a refusal has changed something"

"""Time, and what Ondol does with it: timers, hints, the daily round, corrections and other prices."""

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from billing.agreements import account_due
from billing.budgets import read_budget_states
from billing.credit import read_state, settle_due
from billing.ledger import fold_balances
from billing.metering import list_unmetered, meter_instance
from billing.metering.outages import apply_outage, list_unapplied
from billing.models import Budget, CreditAccount, Invoice, OnLimit, PriceVersion
from billing.month_close import close_month
from billing.price_changes import announce, answer_change
from billing.prices import publish_price
from billing.watch import Watched, find_next_crossing, list_due_tenants, watch_instances, watch_tenant
from marketplace.instances.models import Instance
from marketplace.instances.operations import record_gone
from marketplace.instances.states import Reason
from marketplace.inventory.models import OutageKind
from marketplace.inventory.outages import record_statement
from marketplace.kernel.actors import as_actor
from marketplace.kernel.clock import KST
from marketplace.kernel.money import NUMERATOR_PER_WON
from tests.billing.paying import seller_id
from tests.billing.simulation.oracle import Interval, Life, Pledge
from tests.market import PRICE_MICROS, STAFF, Renter, SmallMarket, add_stock, build_market

DETECTION_S: Final = 30
"""The timer's step and its queue: somebody looks at most so long after a line was crossed."""
NOTICE: Final = timedelta(days=8)
"""Between a price's announcement and its start."""
LOOKS_IN_A_ROW_MAX: Final = 1_000


class Platform:
    """The market and its clock. A heap of events drives everything; what they are is `World`'s."""

    def __init__(self, *, seed: int, nodes: int, begins: datetime) -> None:
        """Build a market with so many nodes of eight devices."""
        self.chance = random.Random(seed)
        self.begins, self.now = begins, begins
        self.counts: dict[str, int] = defaultdict(int)
        self.market: SmallMarket = build_market(now=begins)
        for number in range(2, 2 + nodes):
            add_stock(self.market, name=f"node-{number}", now=begins)
        self.seller = seller_id()
        self.price = PRICE_MICROS
        self.renters: list[Renter] = []
        self.prepaid: set[UUID] = set()
        self.lives: dict[UUID, Life] = {}
        self.running: dict[UUID, set[UUID]] = defaultdict(set)
        self.ended: dict[UUID, list[tuple[datetime, Life]]] = defaultdict(list)
        self.pledges: list[Pledge] = []
        self.excused: list[Interval] = []
        self.invoices: list[Invoice] = []
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()

    # Time

    def at(self, instant: datetime, act: Callable[[], None]) -> None:
        """Have something happen."""
        heapq.heappush(self._events, (instant, next(self._order), act))

    def soon(self, *, hours: int) -> datetime:
        """Some second of the next hours."""
        return self.now + timedelta(seconds=self.chance.randrange(60, hours * 3_600))

    def pass_time(self, *, ends: datetime) -> None:
        """Let everything happen that does until then."""
        day = self.begins
        while (day := day + timedelta(days=1)) <= ends:
            midnight = day.astimezone(KST).replace(hour=0, minute=5, second=0, microsecond=0)
            self.at(midnight, self.begin_day)
        while self._events and self._events[0][0] <= ends:
            self._watch_until(self._events[0][0])
            self.now, _order, act = heapq.heappop(self._events)
            act()
        self.now = ends

    def _watch_until(self, instant: datetime) -> None:
        """What the timer does between two events: look at whoever crossed a line, up to thirty seconds late."""
        for _step in range(LOOKS_IN_A_ROW_MAX):
            with as_actor(STAFF):
                crossing = find_next_crossing()
            if crossing is None:
                return
            seen_at = max(self.now, crossing) + timedelta(seconds=self.chance.randrange(DETECTION_S + 1))
            if seen_at > instant:
                return
            self.now = seen_at
            with as_actor(STAFF):
                due = list_due_tenants(now=seen_at)
            for tenant_id in sorted(due):
                self.watch(tenant_id)
        raise AssertionError("credit and budgets are due for ever")

    # What hints and timers do

    def news(self, instance_id: UUID) -> None:
        """What the hint of a move does."""
        with as_actor(STAFF):
            meter_instance(instance_id=instance_id, now=self.now)
        tenant_id = self.lives[instance_id].renter.tenant.id
        rate = self._rate(tenant_id)
        watched = watch_instances(actor=STAFF, instance_ids=[instance_id], now=self.now)
        self._note_stops(tenant_id, watched, rate=rate)

    def watch(self, tenant_id: UUID, *, is_bound: bool = True) -> None:
        """Look; after a stop, compare what was used with the bound.

        Args:
            is_bound: Not when a member has just set a budget below what was spent.
        """
        rate = self._rate(tenant_id)
        watched = watch_tenant(actor=STAFF, tenant_id=tenant_id, now=self.now)
        self._note_stops(tenant_id, watched, rate=rate, is_bound=is_bound)

    def _note_stops(self, tenant_id: UUID, watched: Watched, *, rate: int, is_bound: bool = True) -> None:
        for instance_id, reason in watched.stopped.items():
            self.counts[f"stopped_{'credit' if reason is Reason.CREDIT_EXHAUSTED else 'budget'}"] += 1
            self.end_run(instance_id, self.now)
            with as_actor(STAFF):
                meter_instance(instance_id=instance_id, now=self.now)
            self.at(self.now + timedelta(seconds=10), partial(self.gone, instance_id))
        if watched.stopped and is_bound:
            self._check_overspend(tenant_id, rate)

    def _rate(self, tenant_id: UUID) -> int:
        """The most that could be used each second since the last look was due."""
        since = self.now - timedelta(seconds=DETECTION_S)
        lately = [life for ended_at, life in self.ended[tenant_id] if ended_at > since]
        self.ended[tenant_id] = [pair for pair in self.ended[tenant_id] if pair[0] > since]
        lives = [self.lives[found] for found in self.running[tenant_id]] + lately
        used = sum(life.devices * max(life.price_at(since), life.price_at(self.now)) for life in lives)
        pledged = [one for one in self.pledges if one.renter.tenant.id == tenant_id and one.starts <= self.now]
        return used + sum(one.price * one.devices for one in pledged if one.ends > since)

    def _check_overspend(self, tenant_id: UUID, rate: int) -> None:
        """Nothing was used beyond the end for longer than it takes to look."""
        with as_actor(STAFF):
            beyond = [
                -read_state(account=account, now=self.now).remaining_numerator
                for account in CreditAccount.objects.filter(tenant_id=tenant_id)
            ]
            budgets = list(Budget.objects.filter(tenant_id=tenant_id, closed_at__isnull=True, on_limit=OnLimit.STOP))
            states = read_budget_states(tenant_id=tenant_id, budgets=budgets, now=self.now)
            beyond += [state.spent_numerator - state.budget.amount_won * NUMERATOR_PER_WON for state in states]
        most = max(beyond, default=0)
        assert most <= rate * DETECTION_S, f"{most} beyond {rate} a second at {self.now}"
        self.counts["overspend_won_max"] = max(self.counts["overspend_won_max"], most // NUMERATOR_PER_WON)

    def gone(self, instance_id: UUID) -> None:
        """Its pods are gone."""
        with as_actor(STAFF):
            attempt = Instance.objects.get(id=instance_id).attempt
            record_gone(instance_id=instance_id, attempt=attempt, now=self.now)
        self.news(instance_id)

    def begin_run(self, instance_id: UUID, started_at: datetime) -> None:
        """For the oracle."""
        life = self.lives[instance_id]
        life.started_at = started_at
        self.running[life.renter.tenant.id].add(instance_id)

    def end_run(self, instance_id: UUID, ended_at: datetime) -> None:
        """For the oracle."""
        life = self.lives[instance_id]
        life.end_run(ended_at.replace(microsecond=0))
        if instance_id in self.running[life.renter.tenant.id]:
            self.running[life.renter.tenant.id].discard(instance_id)
            self.ended[life.renter.tenant.id].append((self.now, life))

    def begin_day(self) -> None:
        """Account for commitments, settle, fold, correct, change prices, and on the first of a month close the last two."""
        account_due(actor=STAFF, now=self.now)
        settle_due(actor=STAFF, now=self.now)
        with as_actor(STAFF):
            fold_balances()
        if self.chance.random() < 0.15:
            self.correct()
        if self.chance.random() < 0.05:
            self.change_price()
        if self.now.astimezone(KST).day == 1:
            self.close()

    def close(self) -> None:
        """The month before, and the one before that for what was corrected since."""
        first = self.now.astimezone(KST).date().replace(day=1)
        for month in (_before(_before(first)), _before(first)):
            issued = close_month(actor=STAFF, month=month, now=self.now)
            self.invoices += issued
            self.counts["invoices"] += len(issued)

    def meter_everything(self) -> None:
        """What the sweep does."""
        with as_actor(STAFF):
            due = list_unmetered()
        for instance_id in due:
            self.news(instance_id)

    # What providers do

    def correct(self) -> None:
        """State that the cluster was down for some hours of the last days: all of it is excused afterwards."""
        back = timedelta(seconds=self.chance.randrange(3_600, 6 * 86_400))
        start = max(self.begins, (self.now - back).replace(microsecond=0))
        end = min(self.now.replace(microsecond=0), start + timedelta(seconds=self.chance.randrange(60, 4 * 3_600)))
        if start >= end:
            return
        self.counts["corrections"] += 1
        with as_actor(STAFF):
            record_statement(
                actor=STAFF, kind=OutageKind.SITE_OUTAGE, cluster_id=self.market.cluster.id, started_at=start, ended_at=end,
                statement="simulation", now=self.now,
            )  # fmt: skip
            outages = list_unapplied()
        for outage_id in outages:
            apply_outage(actor=STAFF, outage_id=outage_id, now=self.now)
        self.excused.append((start, end))

    def change_price(self) -> None:
        """Announce another price; some members agree to a rise, some do not answer."""
        new = self.chance.randrange(3_000, 9_000) * 1_000_000
        effective = (self.now + NOTICE).replace(microsecond=0)
        with as_actor(STAFF):
            if PriceVersion.objects.filter(effective_from__gt=self.now).exists() or new == self.price:
                return
            version = publish_price(
                actor=STAFF, offer_id=self.market.offer.id, price_micros_per_device_hour=new, effective_from=effective,
                now=self.now,
            )  # fmt: skip
            changes = announce(actor=STAFF, price_version_id=version.id, now=self.now, reason="simulation")
        self.counts["price_changes"] += 1
        by_instance = {change.instance_id: change for change in changes}
        for instance_id, life in self.lives.items():
            change: Any = by_instance.get(instance_id)
            if change is None:
                continue
            if new >= life.prices[-1][1]:
                if self.chance.random() < 0.5:
                    continue
                with as_actor(life.renter.actor):
                    answer_change(actor=life.renter.actor, change_id=change.id, is_agreed=True, now=self.now)
                self.counts["rises_agreed"] += 1
            life.prices.append((effective, new))
        self.at(effective, partial(setattr, self, "price", new))


def _before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)

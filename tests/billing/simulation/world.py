"""What tenants and their containers do, by chance."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from billing.agreements.signing import CommitmentDraft, sign_commitment
from billing.credit import record_top_up, set_payment_mode
from billing.holds import BudgetExceeded, InsufficientBalance
from billing.models import BudgetPeriod, OnLimit
from billing.payments.bank_transfer import read_transfer
from marketplace.instances.models import Instance
from marketplace.instances.operations import InvalidState, begin_stopping, record_started
from marketplace.instances.states import Action, Reason
from marketplace.journeys.admit import admit_pass
from marketplace.journeys.stop import request_action
from marketplace.kernel.actors import as_actor
from marketplace.quotas.operations import QuotaExceeded
from marketplace.tenants.models import Sector
from marketplace.tenants.models.billing_profile import PaymentMode, Rounding
from tests.billing.paying import budget_for
from tests.billing.simulation.oracle import Life, Pledge
from tests.billing.simulation.platform import Platform
from tests.market import STAFF, Renter, add_renter, rent_as, see_clusters

MUST_HAPPEN: Final = (
    "rents", "refused_credit", "refused_budget", "stopped_credit", "stopped_budget", "failures", "corrections",
    "price_changes", "rises_agreed", "commitments", "covered_hours", "top_ups", "restarts", "invoices",
)  # fmt: skip
"""What a year must have seen to prove anything."""


class World(Platform):
    """The tenants of all sectors: a third pays ahead, a third has a budget, a third neither; a fifth pays in tens of won."""

    def __init__(self, *, seed: int, tenants: int, begins: datetime, days: int, days_between_rents: int = 14) -> None:
        """Let everybody move in.

        Args:
            days: How long it will run.
            days_between_rents: At most; half of it on average.
        """
        super().__init__(seed=seed, nodes=tenants, begins=begins)
        self.ends = begins + timedelta(days=days)
        self._hours_between_rents = days_between_rents * 24
        for index in range(tenants):
            self._move_in(index)

    def run(self) -> None:
        """Let the time pass, then end what still runs and close the last months."""
        self.pass_time(ends=self.ends)
        for instance_id, life in list(self.lives.items()):
            if life.started_at is not None:
                self.ask(instance_id, action=Action.END)
                self.gone(instance_id)
        self.meter_everything()
        for _month in range(2):
            self.now += timedelta(days=32)
            self.begin_day()
            self.close()

    def facts(self) -> dict[str, int]:
        """How often what happened."""
        return dict(sorted(self.counts.items()))

    def _move_in(self, index: int) -> None:
        sectors = list(Sector)
        renter = add_renter(
            number=business_number(index),
            name=f"기관 {index}",
            sector=sectors[index % len(sectors)],
            rounding=Rounding.TEN_WON if index % 5 == 0 else Rounding.WON,
            now=self.begins,
        )
        self.renters.append(renter)
        if index % 3 == 0:
            self.prepaid.add(renter.tenant.id)
            with as_actor(STAFF):
                set_payment_mode(
                    actor=STAFF, billing_profile_id=renter.project.billing_profile_id, mode=PaymentMode.PREPAID,
                    reason="simulation", now=self.begins,
                )  # fmt: skip
            self.at(self.begins, partial(self.top_up, renter))
        elif index % 3 == 1:
            self.at(self.begins, partial(self.set_budget, renter))
        if index % 6 in (0, 2):
            self.at(self.soon(hours=10 * 24), partial(self.sign, renter))
        self.at(self.soon(hours=48), partial(self.rent, renter))

    def rent(self, renter: Renter) -> None:
        """Ask for one to eight devices for minutes to days; come back in some days."""
        self.at(self.soon(hours=self._hours_between_rents), partial(self.rent, renter))
        devices = self.chance.choice([1, 1, 2, 2, 4, 8])
        limit = self.chance.choice([None, None, 7_200, 86_400])
        see_clusters(now=self.now)
        try:
            instance = rent_as(renter, now=self.now, devices=devices, max_duration_s=limit)
        except InsufficientBalance:
            self.counts["refused_credit"] += 1
            self.at(self.soon(hours=72), partial(self.top_up, renter))
            return
        except BudgetExceeded:
            self.counts["refused_budget"] += 1
            return
        except QuotaExceeded:
            self.counts["refused_quota"] += 1
            return
        self.counts["rents"] += 1
        self.lives[instance.id] = Life(renter=renter, devices=devices, prices=[(None, self.price)])
        self.place(instance.id)

    def place(self, instance_id: UUID) -> None:
        """Admit; the container runs half a minute later."""
        see_clusters(now=self.now)
        admit_pass(holder="simulation", now=self.now)
        self.at(self.now + timedelta(seconds=self.chance.randrange(20, 90)), partial(self.start, instance_id))

    def start(self, instance_id: UUID) -> None:
        """The container runs; how long, and how it ends, is chance."""
        started_at = self.now.replace(microsecond=0)
        with as_actor(STAFF):
            instance = Instance.objects.get(id=instance_id)
            is_started = record_started(
                instance_id=instance_id, attempt=instance.attempt, started_at=started_at, reported_at=self.now, now=self.now
            )  # fmt: skip
        if not is_started:
            return
        self.begin_run(instance_id, started_at)
        self.news(instance_id)
        lasts = timedelta(seconds=int(self.chance.expovariate(1 / (20 * 3_600))) + 1)
        if instance.max_duration_s is not None:
            lasts = min(lasts, timedelta(seconds=instance.max_duration_s))
        asks: list[Any] = [partial(self.ask, action=action) for action in (Action.STOP, Action.END)]
        how = self.chance.choice([self.complete, self.fail, *asks])
        self.at(self.now + lasts, partial(how, instance_id))

    def complete(self, instance_id: UUID, *, reason: Reason = Reason.COMPLETED) -> None:
        """The main process ends by itself, unless it was stopped before."""
        if self.lives[instance_id].started_at is None:
            return
        ended_at = self.now.replace(microsecond=0)
        with as_actor(STAFF):
            attempt = Instance.objects.get(id=instance_id).attempt
            begin_stopping(instance_id=instance_id, attempt=attempt, reason=reason, occurred_at=ended_at, now=self.now)
        self._ended(instance_id)

    def fail(self, instance_id: UUID) -> None:
        """The main process ends with an error."""
        self.counts["failures"] += 1
        self.complete(instance_id, reason=Reason.EXITED_WITH_ERROR)

    def ask(self, instance_id: UUID, *, action: Action) -> None:
        """A member stops or ends it, unless it is over already."""
        actor = self.lives[instance_id].renter.actor
        try:
            with as_actor(actor):
                request_action(actor=actor, instance_id=instance_id, action=action, now=self.now)
        except InvalidState:
            return
        self._ended(instance_id)
        if action is Action.STOP and self.chance.random() < 0.5:
            self.at(self.soon(hours=200), partial(self.restart, instance_id))

    def _ended(self, instance_id: UUID) -> None:
        self.end_run(instance_id, self.now)
        self.news(instance_id)
        self.at(self.now + timedelta(seconds=10), partial(self.gone, instance_id))

    def restart(self, instance_id: UUID) -> None:
        """Start a stopped one on its old terms."""
        actor = self.lives[instance_id].renter.actor
        try:
            with as_actor(actor):
                request_action(actor=actor, instance_id=instance_id, action=Action.START, now=self.now)
        except (InvalidState, InsufficientBalance, BudgetExceeded, QuotaExceeded):
            return
        self.counts["restarts"] += 1
        self.place(instance_id)

    def top_up(self, renter: Renter) -> None:
        """Pay for hours to weeks, sometimes with an end."""
        self.counts["top_ups"] += 1
        paid = self.chance.randrange(50_000, 1_500_000)
        expires_at = self.now + timedelta(days=self.chance.randrange(5, 90)) if self.chance.random() < 0.3 else None
        reference = f"simulation-{self.counts['top_ups']}"
        payment = read_transfer(paid_won=paid, currency="KRW", reference=reference, received_at=self.now)
        with as_actor(STAFF):
            record_top_up(
                actor=STAFF, billing_profile_id=renter.project.billing_profile_id, seller_id=self.seller, payment=payment,
                reason="simulation", now=self.now, expires_at=expires_at,
            )  # fmt: skip
        self.watch(renter.tenant.id)

    def sign(self, renter: Renter) -> None:
        """Commit to some devices for days to weeks, used or not; again in a month or so."""
        self.at(self.soon(hours=60 * 24), partial(self.sign, renter))
        starts = self.now.replace(microsecond=0) + timedelta(seconds=self.chance.randrange(1, 86_400))
        ends = starts + timedelta(seconds=self.chance.randrange(3_600, 20 * 86_400))
        pledge = Pledge(
            renter, self.chance.choice([1, 2, 4]), self.chance.randrange(500, 4_000) * 1_000_000, starts, ends
        )
        if ends > self.ends:
            return
        self.counts["commitments"] += 1
        self.pledges.append(pledge)
        draft = CommitmentDraft(
            billing_profile_id=renter.project.billing_profile_id, offer_id=self.market.offer.id, units=pledge.devices,
            price_micros=pledge.price, started_at=starts, ended_at=ends,
        )  # fmt: skip
        with as_actor(STAFF):
            sign_commitment(actor=STAFF, draft=draft, now=self.now, reason="simulation")
        self.watch(renter.tenant.id)

    def set_budget(self, renter: Renter) -> None:
        """Set one anew each month or so."""
        self.at(self.soon(hours=50 * 24), partial(self.set_budget, renter))
        budget_for(
            renter,
            self.chance.randrange(100_000, 1_500_000),
            on_limit=self.chance.choice(list(OnLimit)),
            period=BudgetPeriod.MONTH,
            is_whole_tenant=self.chance.random() < 0.5,
            now=self.now,
        )
        self.watch(renter.tenant.id, is_bound=False)


def business_number(index: int) -> str:
    """A number with a right check digit."""
    first = f"{100_000_000 + index * 7_919:09d}"[:9]
    weighted = sum(int(digit) * weight for digit, weight in zip(first, (1, 3, 7, 1, 3, 7, 1, 3, 5), strict=True))
    weighted += int(first[8]) * 5 // 10
    return f"{first}{(10 - weighted % 10) % 10}"

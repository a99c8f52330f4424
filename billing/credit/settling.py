"""Use becomes postings: each day the difference between use so far and what is posted; lots that expire are booked out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q

from billing.credit.state import CreditState, read_lots, read_states
from billing.credit.topping_up import lock_account
from billing.ledger import AccountKind, Entry, Posting, post_many
from billing.models import CreditAccount, CreditDraw, CreditLot, CreditMovement, MovementKind
from billing.runway import draw_lots
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.clock import KST

SETTLED_AT_ONCE_MAX: Final = 100
"""Accounts in one transaction: those that used something take about 5 ms each, and one statement all their postings."""


def settle_due(*, actor: Actor, now: datetime) -> int:
    """Post yesterday's use of every account that has not been settled today in Seoul; how many accounts had any.

    Safe to repeat and to run twice at once. Opens its own transactions: a batch of accounts each, locked by id.
    """
    today = now.astimezone(KST).date()
    settled = 0
    while True:
        with as_actor(actor):
            due = CreditAccount.objects.filter(Q(settled_on__isnull=True) | Q(settled_on__lt=today))
            accounts = list(due.select_for_update(no_key=True, skip_locked=True).order_by("id")[:SETTLED_AT_ONCE_MAX])
            entries = _settle({account.id: f"settle:{account.id}:{today}" for account in accounts}, accounts, now=now)
            post_many(entries=entries)
            CreditAccount.objects.filter(id__in=[account.id for account in accounts]).update(settled_on=today)
        settled += len(entries)
        if not accounts:
            return settled


def settle_account(*, account_id: UUID, key: str, now: datetime) -> int:
    """Post what was used and is not posted yet under a key of its own; in won. Safe to repeat: a key is posted once.

    Locks the account. Requires an open transaction of a staff actor.
    """
    entries = _settle({account_id: key}, [lock_account(account_id)], now=now)
    post_many(entries=entries)
    return sum(posting.amount_won for entry in entries for posting in entry.postings if posting.amount_won > 0)


def _settle(keys: Mapping[UUID, str], accounts: Sequence[CreditAccount], *, now: datetime) -> list[Entry]:
    """Draw what locked accounts have used, each under its key, and say what is to be posted; twelve queries if nothing was used."""
    posted = set(CreditMovement.objects.filter(key__in=keys.values()).values_list("key", flat=True))
    due = [account for account in accounts if keys[account.id] not in posted]
    entries = []
    for state in read_states(accounts=due, now=now) if due else ():
        key = keys[state.account.id]
        if state.unsettled_won != 0:
            _draw(state, key=key, now=now)
            entries.append(_entry(state.account, key=key, won=state.unsettled_won, now=now))
    return entries


def _draw(state: CreditState, *, key: str, now: datetime) -> None:
    """Take use from the lots; what is given back belongs to no lot, and so never expires."""
    account, won = state.account, state.unsettled_won
    movement = CreditMovement.objects.create(
        tenant_id=account.tenant_id, account=account, kind=MovementKind.USE, amount_won=-won, key=key, occurred_at=now
    )
    drawn: Sequence[tuple[UUID | None, int]] = [(None, won)] if won < 0 else draw_lots(lots=state.lots, amount_won=won)
    CreditDraw.objects.bulk_create(
        CreditDraw(tenant_id=account.tenant_id, account=account, lot_id=lot_id, movement=movement, amount_won=amount)
        for lot_id, amount in drawn
    )


def _entry(account: CreditAccount, *, key: str, won: int, now: datetime) -> Entry:
    return Entry(
        tenant_id=account.tenant_id,
        seller_id=account.seller_id,
        key=key,
        postings=(
            Posting(kind=AccountKind.CREDIT, amount_won=won),
            Posting(kind=AccountKind.SETTLED, amount_won=-won),
        ),
        occurred_at=now,
    )


def expire_lots(*, account_id: UUID, now: datetime) -> int:
    """Book out what is left of lots whose time is over, after what was used before; in won. Safe to repeat.

    Locks the account. Requires an open transaction of a staff actor.
    """
    account = lock_account(account_id)
    over = {lot.id: lot for lot in CreditLot.objects.filter(account=account, expires_at__lte=now)}
    if not over or not any(lot.lot_id in over for lot in read_lots(account_id=account.id)[0]):
        return 0
    first = min(over)
    entries = _settle({account.id: f"settle:{account.id}:before:{first}:{_minute(now)}"}, [account], now=now)
    expired = 0
    for left in read_lots(account_id=account.id)[0]:
        if left.lot_id not in over:
            continue
        lot, key = over[left.lot_id], f"expire:{left.lot_id}"
        movement = CreditMovement.objects.create(
            tenant_id=account.tenant_id, account=account, kind=MovementKind.EXPIRY, amount_won=-left.remaining_won,
            key=key, occurred_at=now,
        )  # fmt: skip
        CreditDraw.objects.create(
            tenant_id=account.tenant_id, account=account, lot=lot, movement=movement, amount_won=left.remaining_won
        )
        vat = lot.vat_won * left.remaining_won // lot.amount_won
        entries.append(
            Entry(
                tenant_id=account.tenant_id,
                seller_id=account.seller_id,
                key=key,
                postings=(
                    Posting(kind=AccountKind.CREDIT, amount_won=left.remaining_won),
                    Posting(kind=AccountKind.CREDIT_VAT, amount_won=vat),
                    Posting(kind=AccountKind.EXPIRED_CREDIT, amount_won=-left.remaining_won - vat),
                ),
                occurred_at=now,
            )
        )
        expired += left.remaining_won
    post_many(entries=entries)
    return expired


def _minute(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M}"

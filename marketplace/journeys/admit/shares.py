"""Shares of sectors and of the platform, counted where devices are promised.

The one admitter adds up live allocations when it looks, and again in the transaction in which it promises, with the shares'
rows locked: an edit that commits first is obeyed, one that comes later finds the promise made. So no row of the market is
written by every rent and every release.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from marketplace.instances.history import read_live_use
from marketplace.inventory.models import Accelerator
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice, resolve_notice
from marketplace.quotas.models import Share
from marketplace.quotas.queries import lock_shares_in_force, read_shares_in_force
from marketplace.scheduling.fair_share import Waiting
from marketplace.scheduling.placement import Placement
from marketplace.scheduling.shares import ShareBook, ShareLimit

if TYPE_CHECKING:
    from marketplace.journeys.admit.reading import Considered, Queue


def read_shares(*, now: datetime) -> ShareBook:
    """The shares in force and what is used of them. One query where there are none. Requires an open staff transaction."""
    return open_book(read_shares_in_force(now=now))


def lock_shares(*, now: datetime) -> ShareBook:
    """As `read_shares`, with the shares' rows locked until the open transaction ends."""
    return open_book(lock_shares_in_force(now=now))


def open_book(shares: Sequence[Share]) -> ShareBook:
    """The shares with what is used of each now; at most two queries."""
    if not shares:
        return ShareBook(limits=[], used={}, kinds={})
    kinds = dict(Accelerator.objects.values_list("code", "kind"))
    limits = [
        ShareLimit(
            share_id=share.id,
            sector=share.sector,
            accelerator=share.selector if share.selector_kind == "accelerator" else "",
            kind=share.selector if share.selector_kind == "kind" else "",
            meter=share.meter,
            limit=share.limit,
            is_hard=share.enforcement == "hard",
        )
        for share in shares
    ]
    return ShareBook(limits=limits, used=read_live_use(), kinds=kinds)


def restrict(queue: "Queue", ordered: Sequence[Waiting]) -> Iterator[Waiting]:
    """Each request as it is looked at, without the accelerators of which its sector or the platform has no share left.

    Lazy on purpose: what was placed before it must have been counted (`count`) when it is looked at.
    """
    if not queue.shares.has_limits:
        yield from ordered
        return
    for waiting in ordered:
        considered = queue.by_id[waiting.request.instance_id]
        exhausted = queue.shares.find_exhausted(
            sector=considered.instance.tenant.sector,
            accelerators={offer.accelerator.code for offer in considered.offers},
            devices=considered.instance.total_devices,
        )
        if not exhausted:
            yield waiting
            continue
        told = {code: shortage.facts() for code, shortage in exhausted.items()}
        yield replace(waiting, request=replace(waiting.request, exhausted=told))


def count(book: ShareBook, considered: "Considered", placements: Sequence[Placement]) -> None:
    """Count what was placed for one instance; a gang is on one accelerator."""
    if placements:
        instance = considered.instance
        book.take(
            sector=instance.tenant.sector,
            accelerator=placements[0].accelerator,
            devices=sum(placement.need.devices for placement in placements),
        )


def has_room(book: ShareBook, considered: "Considered", placements: Sequence[Placement]) -> bool:
    """Whether the shares still allow what was chosen."""
    accelerator = placements[0].accelerator
    devices = sum(placement.need.devices for placement in placements)
    sector = considered.instance.tenant.sector
    return not book.find_exhausted(sector=sector, accelerators=[accelerator], devices=devices)


def tell_soft_limits(book: ShareBook, *, now: datetime) -> None:
    """Tell operators of every share that only warns and is over its limit, until it is under again."""
    for limit in book.list_soft():
        key, used = f"share-over-limit:{limit.share_id}", book.used_of(share_id=limit.share_id)
        if used <= limit.limit:
            resolve_notice(key=key, now=now)
            continue
        raise_notice(
            key=key, code="quota.share_over_limit", severity=Severity.WARNING, now=now, object_type=Share.TYPE_PREFIX,
            object_id=limit.share_id,
            facts={
                "sector": limit.sector or "platform", "selector": limit.accelerator or limit.kind or "any",
                "meter": limit.meter, "limit": limit.limit, "used": used,
            },
        )  # fmt: skip

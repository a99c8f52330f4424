"""Accepting usage events of sites that meter themselves: all of a batch or nothing, each event once.

What is accepted here is evidence; `billing.metering.reported` turns it into usage intervals and charges. Runs as the provider,
who sees its own events and, by a function of the database, the devices its own sites promised, and nothing else.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import IntegrityError, connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.metering.events import (
    EVENTS_PER_BATCH_MAX,
    EventFlawed,
    Flaw,
    ToldUsage,
    Withdrawal,
    read_events,
)
from billing.metering.meters import Meter
from billing.models import UsageEvent, UsageEventType
from marketplace.kernel import ids
from marketplace.kernel.actors import NOBODY, Actor, savepoint
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import OndolError, ValidationFailed
from marketplace.kernel.hints import hint

SECOND: Final = timedelta(seconds=1)


class UsageBatchSize(ValidationFailed):
    """A batch without an event, or with too many; nothing was accepted."""

    code = "usage_batch_size"


class UsageEventInvalid(ValidationFailed):
    """An event that cannot be used; nothing of its batch was accepted."""

    code = "usage_event_invalid"
    title = _("Event %(index)s of the batch cannot be used: %(reason)s")
    remedy = _("Correct the member named in `errors` and send the whole batch again; nothing of it was accepted.")


class UsageEventConflict(OndolError):
    """The same source and id with another body; nothing of the batch was accepted."""

    code = "usage_event_conflict"
    http_status = 409
    title = _("Event %(index)s of the batch has a source and id that stand for an event with another body.")
    remedy = _("Give each event an id of its own. To correct what was told, withdraw it and tell it anew.")


class UsageOverlap(OndolError):
    """Time that is already told for the same instance, rank and meter; nothing of the batch was accepted."""

    code = "usage_overlap"
    http_status = 409
    title = _("Event %(index)s of the batch tells time that is already told for this instance, rank and meter.")
    remedy = _("Send only time that was not told yet. To correct what was told, withdraw it and tell it anew.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of a batch."""

    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promised:
    """Devices that one of the provider's sites promised."""

    allocation_id: UUID
    tenant_id: UUID
    devices: int
    is_self_metered: bool
    since: datetime
    until: datetime | None


def accept_events(*, actor: Actor, events: Sequence[Any], is_batch: bool, now: datetime) -> Accepted:
    """Keep every event of a batch that is not kept yet. Safe to repeat: what is known is counted as a duplicate. Audited.

    Args:
        events: Parsed JSON.
        is_batch: Whether errors point into an array.

    Raises:
        UsageBatchSize, UsageEventInvalid, UsageEventConflict, UsageOverlap: See the classes; the first wrong event is named.

    Locks the provider's right to tell usage until the open transaction of its actor ends.
    """
    if not 1 <= len(events) <= EVENTS_PER_BATCH_MAX:
        raise UsageBatchSize(reason=_("A batch has 1 to 1,000 events."), pointer="")
    try:
        read = read_events(events=events, now=now)
    except EventFlawed as flawed:
        raise _refuse(flawed.index, flawed.member, FLAWS[flawed.flaw], is_batch=is_batch) from flawed
    _lock(actor)
    fresh = _leave_out_known(actor, read, is_batch=is_batch)
    if fresh:
        rows = _as_rows(actor, fresh, is_batch=is_batch, now=now)
        _insert(rows, fresh, is_batch=is_batch)
        hint("usage.told", actor.provider_id)
    counted = Accepted(accepted=len(fresh), duplicates=len(read) - len(fresh))
    record_act(
        actor=actor, action="usage.told", object_type="prv", object_id=actor.provider_id, now=now,
        changes={"accepted": counted.accepted, "duplicates": counted.duplicates},
    )  # fmt: skip
    return counted


def _lock(actor: Actor) -> None:
    """One batch of a provider at a time, so that what is looked up holds until it is written."""
    number = int.from_bytes(hashlib.sha256(f"usage|{actor.provider_id}".encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


_KNOWN: Final = """
SELECT e.source, e.event_id, e.body_hash FROM unnest(%s::text[], %s::text[]) AS asked (source, event_id)
JOIN billing_usageevent e ON e.provider_id = %s AND e.source = asked.source AND e.event_id = asked.event_id
"""


def _leave_out_known(
    actor: Actor, read: Sequence[ToldUsage | Withdrawal], *, is_batch: bool
) -> list[ToldUsage | Withdrawal]:
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [[item.source for item in read], [item.event_id for item in read], actor.provider_id])
        known: dict[tuple[str, str], bytes] = {(row[0], row[1]): bytes(row[2]) for row in cursor.fetchall()}
    fresh = []
    for item in read:
        before = known.setdefault((item.source, item.event_id), item.body_hash)
        if before is item.body_hash:
            fresh.append(item)
        elif before != item.body_hash:
            raise UsageEventConflict(
                facts={"index": item.index},
                pointer=_pointer(item.index, "/id", is_batch),
                details={"index": item.index},
            )
    return fresh


_PROMISED: Final = """
SELECT id, tenant_id, instance_id, rank, devices, metered_by = 'site', date_trunc('second', allocated_at),
    date_trunc('second', released_at)
FROM find_promised_devices(%s)
"""


def _read_promised(instance_ids: set[UUID]) -> dict[tuple[UUID, int], list[_Promised]]:
    """By instance and rank, the promises of the provider's own sites; one query."""
    found: dict[tuple[UUID, int], list[_Promised]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_PROMISED, [list(instance_ids)])
        for row in cursor.fetchall():
            promised = _Promised(
                allocation_id=row[0], tenant_id=row[1], devices=row[4], is_self_metered=row[5], since=row[6], until=row[7]
            )  # fmt: skip
            found.setdefault((row[2], row[3]), []).append(promised)
    return found


def _as_rows(
    actor: Actor, fresh: Sequence[ToldUsage | Withdrawal], *, is_batch: bool, now: datetime
) -> list[dict[str, Any]]:
    shared = {"provider_id": actor.provider_id, "provider_key_id": actor.api_key_id, "received_at": now}
    told = [item for item in fresh if isinstance(item, ToldUsage)]
    promised = _read_promised({item.instance_id for item in told}) if told else {}
    return [
        {**shared, **_take_back(actor, item, is_batch=is_batch)}
        if isinstance(item, Withdrawal)
        else {**shared, **_told_row(item, promised, is_batch=is_batch)}
        for item in fresh
    ]


def _told_row(
    item: ToldUsage, promised: Mapping[tuple[UUID, int], list[_Promised]], *, is_batch: bool
) -> dict[str, Any]:
    owned = promised.get((item.instance_id, item.rank))
    if owned is None:
        raise _refuse(
            item.index, "/subject", _("Your sites have promised this instance no devices."), is_batch=is_batch
        )
    place = next((one for one in owned if _covers(one, item)), None)
    if place is None:
        reason = _("Your sites had promised the instance no devices at that time.")
        raise _refuse(item.index, "/data/started_at", reason, is_batch=is_batch)
    if not place.is_self_metered:
        reason = _("These devices are metered by Ondol; an operator can set the site to meter itself.")
        raise _refuse(item.index, "/subject", reason, is_batch=is_batch)
    if item.meter == Meter.DEVICE and item.quantity != place.devices:
        wanted = _("The quantity of devices is that of the promise: %(devices)s.") % {"devices": place.devices}
        raise _refuse(item.index, "/data/quantity", wanted, is_batch=is_batch)
    return {
        "id": ids.new_id(),
        "tenant_id": place.tenant_id,
        "instance_id": item.instance_id,
        "allocation_id": place.allocation_id,
        "rank": item.rank,
        "source": item.source,
        "event_id": item.event_id,
        "body_hash": item.body_hash.hex(),
        "type": UsageEventType.REPORTED.value,
        "meter": item.meter,
        "kind": item.kind,
        "reason": item.reason,
        "quantity": item.quantity,
        "started_at": item.started_at,
        "ended_at": item.ended_at,
        "withdraws_id": None,
    }


def _covers(place: _Promised, item: ToldUsage) -> bool:
    """Within the promise, which ends in the second in which the devices came back."""
    return place.since <= item.started_at and (place.until is None or item.ended_at <= place.until + SECOND)


def _take_back(actor: Actor, item: Withdrawal, *, is_batch: bool) -> dict[str, Any]:
    """Mark what a withdrawal names, so that the same time can be told anew in this very batch; the withdrawal's row."""
    told = UsageEvent.objects.filter(
        provider_id=actor.provider_id or NOBODY,
        source=item.told_source,
        event_id=item.told_id,
        type=UsageEventType.REPORTED,
    ).first()
    if told is None:
        reason = _("No usage was told under this source and id.")
        raise _refuse(item.index, "/data/id", reason, is_batch=is_batch)
    row_id = ids.new_id()
    if not UsageEvent.objects.filter(id=told.id, withdrawn_by__isnull=True).update(withdrawn_by=row_id):
        reason = _("This usage was withdrawn before.")
        raise _refuse(item.index, "/data/id", reason, is_batch=is_batch)
    kept = (
        "tenant_id", "instance_id", "allocation_id", "rank", "meter", "kind", "reason", "quantity", "started_at", "ended_at",
    )  # fmt: skip
    return {
        **{name: getattr(told, name) for name in kept},
        "id": row_id,
        "source": item.source,
        "event_id": item.event_id,
        "body_hash": item.body_hash.hex(),
        "type": UsageEventType.WITHDRAWN.value,
        "withdraws_id": told.id,
    }


_INSERT: Final = """
INSERT INTO billing_usageevent (id, provider_id, tenant_id, instance_id, allocation_id, rank, source, event_id, body_hash, type,
    meter, kind, reason, quantity, started_at, ended_at, withdraws_id, provider_key_id, received_at)
SELECT id, provider_id, tenant_id, instance_id, allocation_id, rank, source, event_id, decode(body_hash, 'hex'), type,
    meter, kind, reason, quantity, started_at, ended_at, withdraws_id, provider_key_id, received_at
FROM json_to_recordset(%s::json) AS row (id uuid, provider_id uuid, tenant_id uuid, instance_id uuid, allocation_id uuid,
    rank smallint, source text, event_id text, body_hash text, type text, meter text, kind text, reason text, quantity bigint,
    started_at timestamptz, ended_at timestamptz, withdraws_id uuid, provider_key_id uuid, received_at timestamptz)
"""
"""One statement and one parameter: COPY is refused under row-level security, and a parameter per value costs Python more than
the database needs for the row."""


def _insert(rows: Sequence[dict[str, Any]], fresh: Sequence[ToldUsage | Withdrawal], *, is_batch: bool) -> None:
    try:
        with savepoint(), connection.cursor() as cursor:
            cursor.execute(_INSERT, [orjson.dumps(rows).decode()])
    except IntegrityError as error:
        index = _find_overlap([item for item in fresh if isinstance(item, ToldUsage)])
        if index is None:
            raise
        raise UsageOverlap(
            facts={"index": index}, pointer=_pointer(index, "/data/started_at", is_batch), details={"index": index}
        ) from error


_OVERLAPS: Final = """
SELECT 1 FROM billing_usageevent e
WHERE e.instance_id = %s AND e.rank = %s AND e.meter = %s AND e.type = 'reported' AND e.withdrawn_by_id IS NULL
    AND tstzrange(e.started_at, e.ended_at) && tstzrange(%s, %s)
LIMIT 1
"""


def _find_overlap(told: Sequence[ToldUsage]) -> int | None:
    """The first event that tells time which stands as told, or is told by an earlier event of the batch."""
    earlier: dict[tuple[UUID, int, str], list[ToldUsage]] = {}
    for item in told:
        before = earlier.setdefault((item.instance_id, item.rank, item.meter), [])
        if any(other.started_at < item.ended_at and item.started_at < other.ended_at for other in before):
            return item.index
        before.append(item)
        with connection.cursor() as cursor:
            cursor.execute(_OVERLAPS, [item.instance_id, item.rank, item.meter, item.started_at, item.ended_at])
            if cursor.fetchone() is not None:
                return item.index
    return None


def _refuse(index: int, member: str, reason: str | Promise, *, is_batch: bool) -> UsageEventInvalid:
    refusal = UsageEventInvalid(reason=reason, pointer=_pointer(index, member, is_batch), facts={"index": index})
    refusal.details["index"] = index
    return refusal


def _pointer(index: int, member: str, is_batch: bool) -> str:  # noqa: FBT001 - private, at hand
    return f"/{index}{member}" if is_batch else member or "/"


FLAWS: Final[Mapping[Flaw, Promise]] = {
    Flaw.NOT_AN_OBJECT: _("An event is a JSON object."),
    Flaw.SPECVERSION: _('specversion is "1.0".'),
    Flaw.TEXT: _("1 to 200 printable characters are needed."),
    Flaw.TYPE: _("type is ondol.usage.reported.v1 or ondol.usage.withdrawn.v1."),
    Flaw.CONTENT_TYPE: _("data is JSON: datacontenttype is application/json or left out, and there is no data_base64."),
    Flaw.DATA: _("data is a JSON object."),
    Flaw.UNKNOWN_MEMBER: _("There is no such member."),
    Flaw.SUBJECT: _("subject is the instance's id, ins_…"),
    Flaw.METER: _("meter is device, volume, public_address or egress."),
    Flaw.RANK: _("rank is a whole number from 0; only gangs have more than one."),
    Flaw.QUANTITY: _("quantity is a whole number greater than 0, at most 9,007,199,254,740,991."),
    Flaw.KIND: _("kind is metered or excused."),
    Flaw.REASON: _("What is excused has one of the known reasons, and what is metered has none."),
    Flaw.INSTANT: _("Give an instant in RFC 3339 with its offset, such as 2026-11-24T05:30:00Z."),
    Flaw.INVERTED: _("The interval holds no whole second: it ends after it begins."),
    Flaw.FUTURE: _("The instant lies in the future; the site's clock may be at most five seconds ahead."),
    Flaw.SPANS_MONTHS: _("What is counted is told by month: cut the interval at midnight in Seoul."),
}

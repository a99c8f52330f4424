"""A site's usage events: CloudEvents 1.0 in JSON → what they say, or the first thing that is wrong with them. Pure.

Times are floored to the second, as everywhere in the meter. Sentences for each flaw stand in `billing/usage_events.py`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import orjson

from billing.metering.meters import METERS, QUANTITY_MAX, Meter
from billing.metering.rules import EXCUSES, Cause, Kind
from billing.rating import month_of
from marketplace.kernel import ids
from marketplace.kernel.clock import floor_to_second

REPORTED: Final = "ondol.usage.reported.v1"
WITHDRAWN: Final = "ondol.usage.withdrawn.v1"
EVENTS_PER_BATCH_MAX: Final = 1_000
TEXT_CHARACTERS_MAX: Final = 200
RANK_MAX: Final = 32_767
AHEAD_MAX: Final = timedelta(seconds=5)
"""How far a site's clock may be ahead of ours: as far as a node's before it alarms."""
SECOND: Final = timedelta(seconds=1)

TELLABLE: Final = frozenset({Meter.DEVICE, Meter.VOLUME, Meter.PUBLIC_ADDRESS, Meter.EGRESS})
"""What a site can tell of an instance. Nothing is kept for stopped instances yet, and reservations are Ondol's own."""
REASONS: Final = frozenset(cause.value for cause in (*EXCUSES.values(), Cause.FAILED_START))
_REPORTED_MEMBERS: Final = frozenset({"meter", "rank", "quantity", "kind", "reason", "started_at", "ended_at"})
_WITHDRAWN_MEMBERS: Final = frozenset({"source", "id"})


class Flaw(StrEnum):
    """What is wrong with an event."""

    NOT_AN_OBJECT = "not_an_object"
    SPECVERSION = "specversion"
    TEXT = "text"
    TYPE = "type"
    CONTENT_TYPE = "content_type"
    DATA = "data"
    UNKNOWN_MEMBER = "unknown_member"
    SUBJECT = "subject"
    METER = "meter"
    RANK = "rank"
    QUANTITY = "quantity"
    KIND = "kind"
    REASON = "reason"
    INSTANT = "instant"
    INVERTED = "inverted"
    FUTURE = "future"
    SPANS_MONTHS = "spans_months"


class EventFlawed(Exception):
    """An event that cannot be used.

    Attributes:
        member: JSON pointer within the event.
    """

    def __init__(self, flaw: Flaw, member: str, *, index: int = 0) -> None:
        """Keep what is wrong, and where."""
        super().__init__(flaw)
        self.flaw, self.member, self.index = flaw, member, index


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldUsage:
    """An event that tells usage.

    Attributes:
        index: Its place in the batch.
        reason: Why it is excused; "" when metered.
        started_at, ended_at: Half-open, whole seconds.
    """

    index: int
    source: str
    event_id: str
    body_hash: bytes
    instance_id: UUID
    rank: int
    meter: str
    kind: str
    reason: str
    quantity: int
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """An event that takes an earlier one back."""

    index: int
    source: str
    event_id: str
    body_hash: bytes
    told_source: str
    told_id: str


def read_events(*, events: Sequence[Any], now: datetime) -> list[ToldUsage | Withdrawal]:
    """What the events of a batch say, in order.

    Raises:
        EventFlawed: The first that cannot be used, with its index.
    """
    found = []
    for index, event in enumerate(events):
        try:
            found.append(_read(event, index, now))
        except EventFlawed as flawed:
            flawed.index = index
            raise
    return found


def _read(event: Any, index: int, now: datetime) -> ToldUsage | Withdrawal:
    if type(event) is not dict:
        raise EventFlawed(Flaw.NOT_AN_OBJECT, "")
    if event.get("specversion") != "1.0":
        raise EventFlawed(Flaw.SPECVERSION, "/specversion")
    source, event_id = _text(event, "source", ""), _text(event, "id", "")
    content_type = event.get("datacontenttype")
    if "data_base64" in event or not (content_type is None or content_type == "application/json"):
        raise EventFlawed(Flaw.CONTENT_TYPE, "/datacontenttype")
    if event.get("time") is not None and _instant(event, "time", "") > now + AHEAD_MAX:
        raise EventFlawed(Flaw.FUTURE, "/time")
    data = event.get("data")
    if type(data) is not dict:
        raise EventFlawed(Flaw.DATA, "/data")
    read = _READERS.get(event["type"]) if isinstance(event.get("type"), str) else None
    if read is None:
        raise EventFlawed(Flaw.TYPE, "/type")
    members, reader = read
    unknown = data.keys() - members
    if unknown:
        raise EventFlawed(Flaw.UNKNOWN_MEMBER, f"/data/{min(unknown)[:40]}")
    shared = {"index": index, "source": source, "event_id": event_id, "body_hash": _hash(event)}
    return reader(event, data, shared, now)


def _hash(event: Mapping[str, Any]) -> bytes:
    """Of the event in canonical form: the order of members and the white space between them do not matter."""
    try:
        return hashlib.sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).digest()
    except orjson.JSONEncodeError as error:  # nested deeper than can be written
        raise EventFlawed(Flaw.DATA, "/data") from error


def _text(of: Mapping[str, Any], member: str, at: str) -> str:
    text = of.get(member)
    if not isinstance(text, str) or not 1 <= len(text) <= TEXT_CHARACTERS_MAX or not text.isprintable():
        raise EventFlawed(Flaw.TEXT, f"{at}/{member}")
    return text


def _instant(of: Mapping[str, Any], member: str, at: str) -> datetime:
    text = of.get(member)
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise EventFlawed(Flaw.INSTANT, f"{at}/{member}")
    return floor_to_second(found)


def _read_reported(
    event: Mapping[str, Any], data: Mapping[str, Any], shared: dict[str, Any], now: datetime
) -> ToldUsage:
    try:
        instance_id = ids.parse_id(prefix="ins", text=event.get("subject") or "")
    except (ids.MalformedId, AttributeError) as error:
        raise EventFlawed(Flaw.SUBJECT, "/subject") from error
    meter, rank, quantity = data.get("meter"), data.get("rank", 0), data.get("quantity")
    if not isinstance(meter, str) or meter not in TELLABLE:
        raise EventFlawed(Flaw.METER, "/data/meter")
    if type(rank) is not int or not 0 <= rank <= RANK_MAX:
        raise EventFlawed(Flaw.RANK, "/data/rank")
    if type(quantity) is not int or not 0 < quantity <= QUANTITY_MAX:
        raise EventFlawed(Flaw.QUANTITY, "/data/quantity")
    kind, reason = _verdict(data)
    started_at, ended_at = _interval(data, meter, now)
    return ToldUsage(
        **shared, instance_id=instance_id, rank=rank, meter=meter, kind=kind, reason=reason, quantity=quantity,
        started_at=started_at, ended_at=ended_at,
    )  # fmt: skip


def _verdict(data: Mapping[str, Any]) -> tuple[str, str]:
    kind, reason = data.get("kind", Kind.METERED.value), data.get("reason", "")
    if kind not in (Kind.METERED.value, Kind.EXCUSED.value):
        raise EventFlawed(Flaw.KIND, "/data/kind")
    allowed = REASONS if kind == Kind.EXCUSED.value else {""}
    if not isinstance(reason, str) or reason not in allowed:
        raise EventFlawed(Flaw.REASON, "/data/reason")
    return kind, reason


def _interval(data: Mapping[str, Any], meter: str, now: datetime) -> tuple[datetime, datetime]:
    started_at, ended_at = _instant(data, "started_at", "/data"), _instant(data, "ended_at", "/data")
    if ended_at <= started_at:
        raise EventFlawed(Flaw.INVERTED, "/data/ended_at")
    if ended_at > now + AHEAD_MAX:
        raise EventFlawed(Flaw.FUTURE, "/data/ended_at")
    if not METERS[Meter(meter)].is_timed and month_of(started_at) != month_of(ended_at - SECOND):
        # What was counted cannot be cut where months end; what grows with time can.
        raise EventFlawed(Flaw.SPANS_MONTHS, "/data/ended_at")
    return started_at, ended_at


def _read_withdrawn(
    _event: Mapping[str, Any], data: Mapping[str, Any], shared: dict[str, Any], _now: datetime
) -> Withdrawal:
    told_source = _text(data, "source", "/data") if "source" in data else shared["source"]
    return Withdrawal(**shared, told_source=told_source, told_id=_text(data, "id", "/data"))


_READERS: Final[Mapping[str, tuple[frozenset[str], Callable[..., ToldUsage | Withdrawal]]]] = {
    REPORTED: (_REPORTED_MEMBERS, _read_reported),
    WITHDRAWN: (_WITHDRAWN_MEMBERS, _read_withdrawn),
}

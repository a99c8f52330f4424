"""Usage events: what can be used, what cannot, and what a run holds that nobody has told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.metering.events import EventFlawed, Flaw, ToldUsage, Withdrawal, read_events
from billing.metering.rules import Cause, Kind, Run, resolution_deadline
from billing.metering.untold import find_untold
from billing.rating import month_bounds, month_of
from marketplace.kernel import ids
from marketplace.kernel.clock import seconds_between

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
INSTANCE = ids.new_id()


def event(**changes: Any) -> dict[str, Any]:
    """An hour of two devices; `data` is merged."""
    data = {
        "meter": "device", "quantity": 2, "started_at": "2026-11-24T05:00:00Z", "ended_at": "2026-11-24T06:00:00Z",
        **changes.pop("data", {}),
    }  # fmt: skip
    return {
        "specversion": "1.0", "type": "ondol.usage.reported.v1", "source": "//site/meter", "id": "e1",
        "subject": ids.format_id(prefix="ins", value=INSTANCE), "data": data, **changes,
    }  # fmt: skip


def test_an_event_says_who_used_what_when() -> None:
    """Offsets are understood and seconds floored; the order of members does not change the hash."""
    told = event(data={"started_at": "2026-11-24T14:00:00.900+09:00", "ended_at": "2026-11-24T05:30:00.999Z"})
    (found,) = read_events(events=[told], now=NOW)
    assert isinstance(found, ToldUsage)
    assert (found.instance_id, found.rank, found.meter, found.quantity) == (INSTANCE, 0, "device", 2)
    assert (found.kind, found.reason) == ("metered", "")
    assert (found.started_at, found.ended_at) == (
        datetime(2026, 11, 24, 5, 0, tzinfo=UTC),
        datetime(2026, 11, 24, 5, 30, tzinfo=UTC),
    )
    (again,) = read_events(events=[dict(reversed(told.items()))], now=NOW)
    (other,) = read_events(events=[event(data={"quantity": 3})], now=NOW)
    assert again.body_hash == found.body_hash != other.body_hash


def test_a_withdrawal_names_what_it_takes_back() -> None:
    """Under its own source, unless it says another."""
    own, other = read_events(
        events=[
            event(id="w1", type="ondol.usage.withdrawn.v1") | {"data": {"id": "e1"}},
            event(id="w2", type="ondol.usage.withdrawn.v1") | {"data": {"id": "e1", "source": "//site/old"}},
        ],
        now=NOW,
    )
    assert isinstance(own, Withdrawal)
    assert isinstance(other, Withdrawal)
    assert (own.told_source, own.told_id, other.told_source) == ("//site/meter", "e1", "//site/old")


@pytest.mark.parametrize(
    ("wrong", "flaw", "member"),
    [
        ("text", Flaw.NOT_AN_OBJECT, ""),
        (event(specversion="0.3"), Flaw.SPECVERSION, "/specversion"),
        (event(id=""), Flaw.TEXT, "/id"),
        (event(id="a\x00b"), Flaw.TEXT, "/id"),
        (event(id=7), Flaw.TEXT, "/id"),
        (event(source="x" * 201), Flaw.TEXT, "/source"),
        (event(type="com.example.other"), Flaw.TYPE, "/type"),
        (event(type=["ondol.usage.reported.v1"]), Flaw.TYPE, "/type"),
        (event(datacontenttype="text/plain"), Flaw.CONTENT_TYPE, "/datacontenttype"),
        (event(data_base64="e30="), Flaw.CONTENT_TYPE, "/datacontenttype"),
        (event(time="2026-11-24T06:00:06Z"), Flaw.FUTURE, "/time"),
        (event() | {"data": [1]}, Flaw.DATA, "/data"),
        (event(data={"colour": "red"}), Flaw.UNKNOWN_MEMBER, "/data/colour"),
        (event(subject="ins_x"), Flaw.SUBJECT, "/subject"),
        (event(subject=5), Flaw.SUBJECT, "/subject"),
        (event(data={"meter": "reservation"}), Flaw.METER, "/data/meter"),
        (event(data={"meter": ["device"]}), Flaw.METER, "/data/meter"),
        (event(data={"rank": -1}), Flaw.RANK, "/data/rank"),
        (event(data={"rank": True}), Flaw.RANK, "/data/rank"),
        (event(data={"quantity": 0}), Flaw.QUANTITY, "/data/quantity"),
        (event(data={"quantity": -2}), Flaw.QUANTITY, "/data/quantity"),
        (event(data={"quantity": 1.5}), Flaw.QUANTITY, "/data/quantity"),
        (event(data={"quantity": 2.0}), Flaw.QUANTITY, "/data/quantity"),
        (event(data={"quantity": "2"}), Flaw.QUANTITY, "/data/quantity"),
        (event(data={"quantity": 2**53}), Flaw.QUANTITY, "/data/quantity"),
        (event(data={"kind": "unknown"}), Flaw.KIND, "/data/kind"),
        (event(data={"kind": "excused"}), Flaw.REASON, "/data/reason"),
        (event(data={"kind": "excused", "reason": "tired"}), Flaw.REASON, "/data/reason"),
        (event(data={"reason": "maintenance"}), Flaw.REASON, "/data/reason"),
        (event(data={"started_at": "2026-11-24T05:00:00"}), Flaw.INSTANT, "/data/started_at"),
        (event(data={"ended_at": "soon"}), Flaw.INSTANT, "/data/ended_at"),
        (event(data={"ended_at": 1}), Flaw.INSTANT, "/data/ended_at"),
        (event(data={"ended_at": "2026-11-24T04:00:00Z"}), Flaw.INVERTED, "/data/ended_at"),
        (event(data={"ended_at": "2026-11-24T05:00:00.7Z"}), Flaw.INVERTED, "/data/ended_at"),
        (event(data={"ended_at": "2026-11-24T06:00:06Z"}), Flaw.FUTURE, "/data/ended_at"),
        (
            event(data={"meter": "egress", "started_at": "2026-10-31T14:00:00Z", "ended_at": "2026-10-31T15:00:01Z"}),
            Flaw.SPANS_MONTHS,
            "/data/ended_at",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_its_place(wrong: Any, flaw: Flaw, member: str) -> None:
    """The third of a batch, after two that are fine."""
    with pytest.raises(EventFlawed) as refused:
        read_events(events=[event(id="a"), event(id="b"), wrong], now=NOW)
    assert (refused.value.flaw, refused.value.member, refused.value.index) == (flaw, member, 2)


def test_what_is_just_allowed() -> None:
    """Five seconds ahead, an excuse with its reason, egress that ends with its month, 8 PiB of it."""
    found = read_events(
        events=[
            event(data={"ended_at": "2026-11-24T06:00:05Z"}),
            event(data={"kind": "excused", "reason": "site_outage"}),
            event(
                data={
                    "meter": "egress", "quantity": 2**53 - 1, "started_at": "2026-10-31T14:00:00Z",
                    "ended_at": "2026-10-31T15:00:00Z",
                },
            ),
        ],
        now=NOW,
    )  # fmt: skip
    assert [type(item) for item in found] == [ToldUsage] * 3


START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def minutes(*numbers: float) -> tuple[datetime, ...]:
    """Instants after the start."""
    return tuple(START + timedelta(minutes=number) for number in numbers)


def test_untold_time_is_what_no_event_covers() -> None:
    """Before, between and after; the last one goes on with the run."""
    told = [minutes(10, 20), minutes(30, 40)]
    parts = find_untold(run=Run(started_at=START, opened_at=START), told=told, now=START + timedelta(hours=2))  # type: ignore[arg-type]
    assert [(part.started_at, part.ended_at, part.kind, part.cause) for part in parts] == [
        (*minutes(0, 10), Kind.UNKNOWN, Cause.NOT_TOLD),
        (*minutes(20, 30), Kind.UNKNOWN, Cause.NOT_TOLD),
        (*minutes(40), None, Kind.UNKNOWN, Cause.NOT_TOLD),
    ]
    ended = Run(started_at=START, opened_at=START, ended_at=minutes(35)[0])
    assert [(part.started_at, part.ended_at) for part in find_untold(run=ended, told=told, now=NOW)] == [  # type: ignore[arg-type]
        minutes(0, 10),
        minutes(20, 30),
    ]


def test_untold_time_is_cut_at_months_and_decided_on_the_fifth() -> None:
    """A run over two months' ends: November is excused on 5 December, December is still unknown."""
    _first, december = month_bounds(month_of(START))
    run = Run(started_at=START, opened_at=START)
    before, after = (
        find_untold(run=run, told=[], now=resolution_deadline(month_of(START)) + timedelta(seconds=offset))
        for offset in (-1, 0)
    )
    assert [(part.started_at, part.ended_at, part.kind.value) for part in before] == [
        (START, december, "unknown"),
        (december, None, "unknown"),
    ]
    assert [(part.kind.value, part.cause.value) for part in after] == [
        ("excused", "unresolved"),
        ("unknown", "not_told"),
    ]


@given(
    edges=st.lists(st.integers(0, 6_000_000), min_size=0, max_size=20, unique=True),
    end=st.integers(1, 6_000_000),
)
def test_told_and_untold_time_are_the_run(edges: list[int], end: int) -> None:
    """No gap, no overlap, no second lost, whatever was told, over months' ends."""
    ordered = sorted(edges)
    told = [
        (START + timedelta(seconds=left), START + timedelta(seconds=right))
        for left, right in zip(ordered[::2], ordered[1::2], strict=False)
    ]
    run = Run(started_at=START, opened_at=START, ended_at=START + timedelta(seconds=end))
    parts = find_untold(run=run, told=told, now=START + timedelta(days=365))
    assert run.ended_at is not None
    covered = sum(
        max(0, seconds_between(start=max(left, run.started_at), end=min(right, run.ended_at))) for left, right in told
    )
    untold = sum(seconds_between(start=part.started_at, end=part.ended_at or part.started_at) for part in parts)
    assert covered + untold == end
    for part in parts:
        assert part.ended_at is not None
        assert part.ended_at > part.started_at
        assert month_of(part.started_at) == month_of(part.ended_at - timedelta(seconds=1))
        assert all(right <= part.started_at or part.ended_at <= left for left, right in told)

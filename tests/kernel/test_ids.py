"""Public ids: the TypeID form of UUIDv7."""

import itertools
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.kernel.ids import MalformedId, format_id, new_id, parse_id

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("prefix_00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
        ("prefix_00000000000000000000000001", "00000000-0000-0000-0000-000000000001"),
        ("prefix_0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"),
        ("prefix_7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ("prefix_0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"),
    ],
)
def test_specification_vectors_round_trip(text: str, value: str) -> None:
    """The valid vectors of the TypeID specification."""
    assert format_id(prefix="prefix", value=UUID(value)) == text
    assert parse_id(prefix="prefix", text=text) == UUID(value)


@given(st.uuids())
def test_every_uuid_round_trips(value: UUID) -> None:
    """Formatting loses nothing."""
    assert parse_id(prefix="ins", text=format_id(prefix="ins", value=value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ins",
        "ins_",
        "prj_00000000000000000000000001",
        "ins_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "ins_0000000000000000000000000",
        "ins_0000000000000000000000000I",
        "INS_00000000000000000000000001",
    ],
)
def test_malformed_ids_are_refused(text: str) -> None:
    """Wrong prefix, length, alphabet or overflow."""
    with pytest.raises(MalformedId):
        parse_id(prefix="ins", text=text)


def test_new_ids_are_version_7_and_ordered_by_time() -> None:
    """The first 48 bits are milliseconds, so later ids sort after earlier ones."""
    ids = [new_id() for _ in range(100)]
    assert {value.version for value in ids} == {7}
    assert {value.variant for value in ids} == {"specified in RFC 4122"}
    milliseconds = [value.int >> 80 for value in ids]
    assert milliseconds == sorted(milliseconds)
    assert len(set(ids)) == 100


def test_ids_of_one_instant_are_in_order_and_apart(time_machine: Any) -> None:
    """Also for a clock that stands: rows sort as they were written, and the steps between them are no pattern."""
    time_machine.move_to(datetime(2026, 11, 24, 3, 0, tzinfo=UTC), tick=False)
    ids = [new_id() for _ in range(2_000)]
    assert ids == sorted(ids)
    steps = [later.int - earlier.int for earlier, later in itertools.pairwise(ids)]
    assert len({step & (1 << 50) - 1 for step in steps}) == len(steps)
    assert {value.version for value in ids} == {7}
    assert {value.variant for value in ids} == {"specified in RFC 4122"}

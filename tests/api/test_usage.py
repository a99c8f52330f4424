"""GET /usage: the whole organization's, filtered, paged, as CSV; another tenant's is never in it."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.metering import meter_instance
from marketplace.instances.models import Instance
from marketplace.inventory.models import OutageKind
from marketplace.inventory.outages import record_node_ready, record_node_trouble
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from tests.api.caller import Caller, make_caller
from tests.market import NOW, STAFF, SmallMarket, run_instance


def at(minutes: int) -> Any:
    """Minutes after noon."""
    return NOW + timedelta(minutes=minutes)


@pytest.fixture
def used(small_market: SmallMarket, caller: Caller, stranger: Caller, time_machine: Any) -> tuple[Instance, Instance]:
    """An hour with ten excused minutes, and a run that has gone on for an hour; the stranger used an hour too."""
    time_machine.move_to(NOW, tick=True)  # ids are in order of time, and so are transitions
    ended = run_instance(caller.renter, started_at=NOW, ended_at=at(60), name="ended")
    going = run_instance(caller.renter, started_at=at(60), ended_at=None, name="going")
    foreign = run_instance(stranger.renter, started_at=NOW, ended_at=at(60))
    with as_actor(STAFF):
        cluster_id = small_market.cluster.id
        record_node_trouble(
            cluster_id=cluster_id, name="node-1", kind=OutageKind.NODE_NOT_READY, since=at(10), now=at(11), evidence={}
        )
        record_node_ready(cluster_id=cluster_id, name="node-1", since=at(20), now=at(21))
        for instance in (ended, going, foreign):
            meter_instance(instance_id=instance.id, now=at(120))
    time_machine.move_to(at(120), tick=False)
    return ended, going


def read(caller: Caller, query: str = "") -> list[tuple[str, int, int]]:
    """Kind, seconds and amount of each row, in the order of their beginning."""
    status, body, _response = caller.call("GET", f"/usage{query}")
    assert status == 200
    rows = sorted(body["data"], key=lambda row: (row["started_at"], row["id"]))
    return [(row["kind"], row["seconds"], row["amount"]) for row in rows]


ALL = [("metered", 600, 1_200), ("excused", 600, 1_200), ("metered", 2_400, 4_800), ("metered", 3_600, 7_200)]


def test_usage_is_filtered_by_whatever_is_asked(
    caller: Caller, stranger: Caller, used: tuple[Instance, Instance]
) -> None:
    """Kind, meter, instance, project, and time, which cuts seconds and amounts."""
    ended, going = (ids.format_id(prefix="ins", value=row.id) for row in used)
    assert read(caller) == ALL
    assert read(caller, "?kind=excused") == ALL[1:2]
    assert read(caller, "?kind=unknown") == []
    assert read(caller, "?meter=device") == ALL
    assert read(caller, "?meter=volume") == []
    assert read(caller, f"?instance={ended}") == ALL[:3]
    assert read(caller, f"?project={caller.project}&instance={going}") == ALL[3:]
    window = "?since=2026-11-24T03:15:00Z&until=2026-11-24T04:30:00Z"
    assert read(caller, window) == [("excused", 300, 600), ("metered", 2_400, 4_800), ("metered", 1_800, 3_600)]
    assert [row[0] for row in read(stranger)] == ["metered", "excused", "metered"]
    row = caller.call("GET", f"/usage?instance={going}")[1]["data"][0]
    assert (row["instance"], row["project"], row["ended_at"], row["amount_unit"], row["unit"]) == (
        going, caller.project, None, "device_second", "device",
    )  # fmt: skip


def test_pages_join_without_a_gap(caller: Caller, used: tuple[Instance, Instance]) -> None:
    """Two at a time."""
    del used
    first = caller.call("GET", "/usage?limit=2")[1]
    second = caller.call("GET", f"/usage?limit=2&cursor={first['next_cursor']}")[1]
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)
    found = [row["id"] for row in [*first["data"], *second["data"]]]
    assert found == sorted(set(found), reverse=True)
    assert len(found) == 4


def test_csv_has_every_row_that_is_asked_for(caller: Caller, used: tuple[Instance, Instance]) -> None:
    """Oldest first, in UTF-8 with a mark."""
    del used
    response = caller.call_raw("/usage?format=csv&kind=metered")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [(row["kind"], row["seconds"], row["amount"], row["name"]) for row in rows] == [
        ("metered", "600", "1200", "ended"),
        ("metered", "2400", "4800", "ended"),
        ("metered", "3600", "7200", "going"),
    ]


@pytest.mark.parametrize(
    ("query", "status", "pointer"),
    [
        ("?kind=free", 422, "?kind"),
        ("?meter=heat", 422, "?meter"),
        ("?format=xml", 422, "?format"),
        ("?since=yesterday", 422, "?since"),
        ("?since=2026-11-24T04:00:00Z&until=2026-11-24T04:00:00Z", 422, "?until"),
        ("?colour=red", 422, "?colour"),
        ("?limit=0", 422, "?limit"),
        ("?cursor=x", 422, "?cursor"),
        ("?format=csv&kind=free", 422, "?kind"),
        ("?instance=ins_00000000000000000000000000", 404, None),
        ("?project=nonsense", 404, None),
    ],
)
def test_what_cannot_be_asked_is_named(caller: Caller, query: str, status: int, pointer: str | None) -> None:
    """By its parameter."""
    answered, problem, _response = caller.call("GET", f"/usage{query}")
    assert answered == status
    assert [error["pointer"] for error in problem["errors"]] == ([pointer] if pointer else [])


def test_another_tenants_instance_is_not_found_and_a_key_without_the_scope_is_refused(
    caller: Caller, stranger: Caller, used: tuple[Instance, Instance]
) -> None:
    """As JSON and as CSV."""
    ended = ids.format_id(prefix="ins", value=used[0].id)
    poor = make_caller(caller.renter, scopes=frozenset({"instances.read"}))
    for form in ("json", "csv"):
        assert stranger.call("GET", f"/usage?instance={ended}&format={form}")[0] == 404
        assert poor.call("GET", f"/usage?format={form}")[0] == 403


def test_more_rows_cost_no_more_queries(caller: Caller, used: tuple[Instance, Instance]) -> None:
    """One or four."""
    del used
    counts = []
    for limit in (1, 4):
        with CaptureQueriesContext(connection) as found:
            caller.call("GET", f"/usage?limit={limit}")
        counts.append(len(found))
    assert counts[0] == counts[1]

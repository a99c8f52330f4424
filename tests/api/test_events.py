"""The feed of events: everything once, in order, for the tenant alone, and nothing that may still get older company."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections

from marketplace.kernel.actors import as_actor
from tests.api.caller import Caller
from tests.market import STAFF

pytestmark = pytest.mark.committing


def follow(caller: Caller, path: str) -> Any:
    """The page, once it has something: transactions of others on the same server hold moves back for their length."""
    return wait_for(lambda: page if (page := caller.call("GET", path)[1])["data"] else None)


def wait_for(look: Callable[[], Any], *, timeout_s: float = 20) -> Any:
    """What `look` returns once it is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, "not seen in time"
        time.sleep(0.05)
    return found


def test_a_follower_sees_every_move_once_and_goes_on_where_it_stopped(caller: Caller, stranger: Caller) -> None:
    first = caller.call("POST", "/instances", caller.body())[1]["id"]
    caller.call("POST", f"/instances/{first}/actions", {"type": "stop"})
    second = caller.call("POST", "/instances", caller.body(name="other"))[1]["id"]
    wait_for(lambda: len(caller.call("GET", "/events")[1]["data"]) == 3)
    cursor, pages = "", []
    for _page in range(3):
        pages.append(follow(caller, f"/events?limit=1&cursor={cursor}"))
        cursor = pages[-1]["next_cursor"]
    assert [page["has_more"] for page in pages] == [True, True, False]
    seen = [(item["instance"], item["type"]) for page in pages for item in page["data"]]
    assert seen == [(first, "instance.queued"), (first, "instance.stopped"), (second, "instance.queued")]
    assert caller.call("GET", f"/events?cursor={cursor}")[1] == {"data": [], "has_more": False, "next_cursor": cursor}
    caller.call("DELETE", f"/instances/{second}")
    (news,) = follow(caller, f"/events?cursor={cursor}")["data"]
    assert (news["instance"], news["type"], news["from"]) == (second, "instance.ended", "queued")
    (stop,) = caller.call("GET", f"/events?types=instance.stopped&instance={first}")[1]["data"]
    assert stop["to"] == "stopped"
    assert stranger.call("GET", "/events")[1] == {"data": [], "has_more": False, "next_cursor": None}
    assert stranger.call("GET", f"/events?instance={first}")[0] == 404


def test_a_move_is_held_back_while_an_older_transaction_runs(caller: Caller) -> None:
    """Otherwise a follower would pass it by, and the older one's moves would never be seen."""
    is_open, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with as_actor(STAFF), connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
            is_open.set()
            may_end.wait(10)
        connections.close_all()

    caller.call("POST", "/instances", caller.body())
    thread = threading.Thread(target=hold)
    thread.start()
    assert is_open.wait(10)
    try:
        late = caller.call("POST", "/instances", caller.body(name="late"))[1]["id"]
        assert [item["instance"] for item in caller.call("GET", "/events")[1]["data"]].count(late) == 0
    finally:
        may_end.set()
        thread.join()
    wait_for(lambda: [item["instance"] for item in follow(caller, "/events")["data"]].count(late) == 1)


@pytest.mark.parametrize(
    "query", ["types=instance.lost", "cursor=!", "cursor=AAAA", "limit=0", "colour=red", "types=x,y"]
)
def test_what_cannot_be_asked_is_refused_by_name(caller: Caller, query: str) -> None:
    status, problem, _response = caller.call("GET", f"/events?{query}")
    assert (status, problem["code"]) == (422, "validation_failed")
    assert problem["errors"][0]["pointer"] == f"?{query.partition('=')[0]}"

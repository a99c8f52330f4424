"""Schedules and the preview of a stop over the REST API."""

from tests.api.caller import Caller


def test_a_schedule_is_set_listed_and_removed(caller: Caller) -> None:
    _status, instance, _response = caller.call("POST", "/instances", caller.body(), **{"Idempotency-Key": "rent"})
    path = f"/instances/{instance['id']}/schedules"
    body = {"action": "stop", "at": "18:00", "weekdays": [5, 1, 1]}
    status, made, _response = caller.call("POST", path, body, **{"Idempotency-Key": "sch"})
    assert (status, made["weekdays"], made["time_zone"], made["date"]) == (201, [1, 5], "Asia/Seoul", None)
    assert made["next_at"] == "2026-11-27T09:00:00Z"
    again = caller.call("POST", path, body, **{"Idempotency-Key": "sch"})
    assert again[1] == made
    assert caller.call("GET", path)[1]["data"] == [made]
    removed = caller.call("DELETE", f"{path}/{made['id']}", **{"Idempotency-Key": "gone"})
    assert (removed[0], removed[1]["deleted"]) == (200, "yes")
    assert caller.call("GET", path)[1]["data"] == []


def test_a_schedule_without_days_and_a_preview_of_nothing_are_refused_by_name(caller: Caller) -> None:
    _status, instance, _response = caller.call("POST", "/instances", caller.body(), **{"Idempotency-Key": "rent"})
    status, problem, _response = caller.call(
        "POST", f"/instances/{instance['id']}/schedules", {"action": "stop", "at": "18:00"}, **{"Idempotency-Key": "s"}
    )
    assert (status, problem["errors"][0]["pointer"]) == (422, "/weekdays")
    status, problem, _response = caller.call("GET", f"/instances/{instance['id']}/actions/preview?type=start")
    assert (status, problem["errors"][0]["pointer"]) == (422, "?type")


def test_a_stop_is_previewed_without_being_made(caller: Caller) -> None:
    _status, instance, _response = caller.call("POST", "/instances", caller.body(), **{"Idempotency-Key": "rent"})
    status, told, _response = caller.call("GET", f"/instances/{instance['id']}/actions/preview?type=stop")
    assert (status, told["metering"], told["still_billed"], told["devices_returned"]) == (200, "does_not_run", [], 2)
    assert (told["restart"]["certainty"], told["restart"]["room_now"]) == ("not_certain", "yes")
    assert told["restart"]["prices_per_device_hour"] == ["5400"]
    assert caller.call("GET", f"/instances/{instance['id']}")[1]["state"] == "queued"

"""Quotas and quota requests over the REST API."""

import base64
from typing import Any

from marketplace.kernel.actors import as_actor
from marketplace.quotas.models import QuotaAttachment, QuotaRequest
from tests.api.caller import Caller, make_caller

WHY = "Training of the next scoring model."


def ask(caller: Caller, **changes: Any) -> tuple[int, Any, Any]:
    """For the organization's line."""
    quota = caller.call("GET", "/quotas")[1]["data"][0]["id"]
    return caller.call("POST", "/quota-requests", {"quota": quota, "limit": 20, "justification": WHY, **changes})


def test_a_request_is_made_listed_and_withdrawn(caller: Caller) -> None:
    paper = {"name": "plan.pdf", "content_base64": base64.b64encode(b"%PDF-1.7").decode()}
    status, body, _response = ask(caller, attachments=[paper])
    assert (status, body["status"], body["limit_when_asked"], body["limit"]) == (201, "open", 16, 20)
    assert [item["name"] for item in body["attachments"]] == ["plan.pdf"]
    quotas = caller.call("GET", "/quotas")[1]["data"]
    assert [(item["default_limit"], item["limit"], item["used"], item["pending"]) for item in quotas] == [
        (16, 16, 0, 20)
    ]
    assert [item["id"] for item in caller.call("GET", "/quota-requests")[1]["data"]] == [body["id"]]
    path = f"/quota-requests/{body['id']}"
    status, body, _response = caller.call("POST", f"{path}/actions", {"type": "withdraw"})
    assert (status, body["status"]) == (200, "withdrawn")
    # The clock stands, so that two events of one instant have no order.
    assert sorted(event["kind"] for event in caller.call("GET", path)[1]["events"]) == ["asked", "withdrawn"]


def test_the_same_key_asks_once(caller: Caller) -> None:
    quota = caller.call("GET", "/quotas")[1]["data"][0]["id"]
    body = {"quota": quota, "limit": 20, "justification": WHY}
    first = caller.call("POST", "/quota-requests", body, **{"Idempotency-Key": "one"})
    again = caller.call("POST", "/quota-requests", body, **{"Idempotency-Key": "one"})
    assert (first[0], again[0], first[1]["id"]) == (201, 201, again[1]["id"])
    status, problem, _response = caller.call("POST", "/quota-requests", body)
    assert (status, problem["code"]) == (409, "quota_request_pending")


def test_what_cannot_be_asked_is_refused_by_name(caller: Caller) -> None:
    refusals: list[tuple[dict[str, Any], str, str]] = [
        ({"limit": 16}, "quota_request_invalid", "/limit"),
        ({"limit": -1}, "validation_failed", "/limit"),
        ({"limit": 2**40}, "validation_failed", "/limit"),
        ({"limit": "20"}, "validation_failed", "/limit"),
        ({"justification": "short"}, "quota_request_invalid", "/justification"),
        ({"effective_from": "2026-12-01T00:00:00Z"}, "quota_period_invalid", "/effective_to"),
        ({"colour": "red"}, "validation_failed", "/colour"),
        (
            {"attachments": [{"name": "a.pdf", "content_base64": base64.b64encode(b"<html>").decode()}]},
            "quota_request_invalid",
            "/attachments/0",
        ),
    ]
    for changes, code, pointer in refusals:
        status, problem, _response = ask(caller, **changes)
        assert (status, problem["code"], problem["errors"][0]["pointer"]) == (422, code, pointer)
    with as_actor(caller.renter.actor):
        assert not QuotaRequest.objects.exists()
        assert not QuotaAttachment.objects.exists()


def test_another_tenants_request_is_as_unknown_as_a_random_one(caller: Caller, stranger: Caller) -> None:
    path = f"/quota-requests/{ask(caller)[1]['id']}"
    assert stranger.call("GET", path)[0] == 404
    assert stranger.call("POST", f"{path}/actions", {"type": "withdraw"})[0] == 404
    assert stranger.call("GET", "/quota-requests")[1]["data"] == []
    assert caller.call("GET", path)[1]["status"] == "open"


def test_a_key_without_the_scope_may_read_and_not_ask(caller: Caller) -> None:
    reader = make_caller(caller.renter, scopes=frozenset({"quotas.read"}))
    status, problem, _response = ask(reader)
    assert (status, problem["code"]) == (403, "forbidden")

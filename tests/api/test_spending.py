"""Credit and budgets over the REST API."""

from datetime import timedelta
from typing import Any

from marketplace.kernel import ids
from tests.api.caller import Caller
from tests.billing.paying import meter_and_watch, prepay
from tests.market import NOW, run_instance


def test_renting_without_credit_is_402_and_a_top_up_changes_that(caller: Caller) -> None:
    """The problem says how much there is and how much is needed."""
    prepay(caller.renter, 11_000)
    status, problem, _response = caller.call("POST", "/instances", caller.body(), **{"Idempotency-Key": "a"})
    assert (status, problem["code"]) == (402, "insufficient_balance")
    assert caller.call("GET", "/instances")[1]["data"] == []
    prepay(caller.renter, 11_000)
    assert caller.call("POST", "/instances", caller.body(), **{"Idempotency-Key": "b"})[0] == 201


def test_credit_says_what_is_left_and_until_when(caller: Caller, time_machine: Any) -> None:
    """An hour of ₩10,800 of ₩100,000."""
    prepay(caller.renter, 110_000)
    instance = run_instance(caller.renter, started_at=NOW, ended_at=None)
    meter_and_watch(instance.id, now=NOW)
    time_machine.move_to(NOW + timedelta(hours=1), tick=False)
    (account,) = caller.call("GET", "/credit")[1]["data"]
    wanted = {"balance": "100000", "unsettled": "10800", "remaining": "89200", "held": "0", "per_hour": "10800"}
    assert {name: account[name] for name in wanted} == wanted
    assert (account["stage"], account["exhausts_at"]) == ("low", "2026-11-24T12:15:34Z")
    page = caller.call("GET", f"/credit/{account['id']}/movements")[1]
    assert [(row["kind"], row["amount"], row["balance"]) for row in page["data"]] == [("top_up", "100000", "100000")]
    unknown = f"/credit/{ids.format_id(prefix='crd', value=ids.new_id())}/movements"
    assert caller.call("GET", unknown)[0] == 404


def test_a_budget_is_set_read_kept_and_closed(caller: Caller, stranger: Caller) -> None:
    """A second request with the same key answers the same; a wrong amount is named."""
    body = {"project": caller.project, "period": "month", "amount": "5000", "on_limit": "block"}
    whole = {name: value for name, value in body.items() if name != "project"}
    assert caller.call("POST", "/budgets", whole)[0] == 404, "a key of one project sets no budget of the organization"
    status, made, _response = caller.call("POST", "/budgets", body, **{"Idempotency-Key": "bud"})
    assert (status, made["amount"], made["spent"], made["thresholds"]) == (201, "5000", "0", [50, 80])
    assert caller.call("POST", "/budgets", body, **{"Idempotency-Key": "bud"})[1] == made
    assert caller.call("POST", "/budgets", {**body, "amount": "6000"}, **{"Idempotency-Key": "bud"})[0] == 422
    for amount in ("-1", "1.5", "1,000", "1e3", "", 5000, 50.5, True, None, "0", "1000000000001", "9" * 40):
        status, problem, _response = caller.call("POST", "/budgets", {**body, "amount": amount})
        assert (status, problem["errors"][0]["pointer"]) == (422, "/amount"), amount
    for member, value in (
        ("thresholds", [80, 50]), ("thresholds", [0]), ("thresholds", ["50"]), ("thresholds", list(range(1, 100_001))),
        ("period", "year"), ("on_limit", "end"), ("currency", "USD"),
    ):  # fmt: skip
        status, problem, _response = caller.call("POST", "/budgets", {**body, member: value})
        assert (status, problem["errors"][0]["pointer"].startswith(f"/{member}")) == (422, True), (member, problem)
    assert caller.call("GET", "/budgets")[1]["data"][0]["amount"] == "5000"
    status, problem, _response = caller.call("POST", "/instances", caller.body())
    assert (status, problem["code"]) == (402, "budget_exceeded")
    path = f"/budgets/{made['id']}"
    assert stranger.call("DELETE", path)[0] == 404
    assert stranger.call("GET", "/budgets")[1]["data"] == []
    assert caller.call("DELETE", path)[0] == 200
    assert caller.call("GET", "/budgets")[1]["data"] == []
    assert caller.call("POST", "/instances", caller.body())[0] == 201

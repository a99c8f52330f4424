"""Renting over the API, and every way in which it is refused with nothing written."""

from datetime import timedelta
from typing import Any

import pytest

from billing.prices import publish_price
from marketplace.instances.models import Instance
from marketplace.inventory.assurance import revoke_certification
from marketplace.inventory.models import Certification
from marketplace.journeys.admit import admit_pass
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import IdempotencyRecord
from marketplace.quotas.models import Quota, QuotaHold
from marketplace.tenants.models import TenantStatus
from marketplace.tenants.operations import set_standing
from tests.api.caller import Caller
from tests.market import NOW, STAFF, SmallMarket


def nothing_written() -> bool:
    """No instance, no hold, no use."""
    with as_actor(STAFF):
        return (
            not Instance.objects.exists()
            and not QuotaHold.objects.exists()
            and set(Quota.objects.values_list("used", flat=True)) <= {0}
        )


def test_a_rent_answers_with_a_queued_instance_and_its_terms(caller: Caller) -> None:
    """201, queued, and the price it was rented at."""
    status, body, response = caller.call("POST", "/instances", caller.body())
    assert (status, body["state"], body["allowed_actions"]) == (201, "queued", ["stop", "end"])
    assert [term["price_per_device_hour"] for term in body["terms"]] == ["5400"]
    assert response.headers["Location"] == f"/api/v1/instances/{body['id']}"
    admit_pass(holder="test", now=NOW)
    _status, shown, _response = caller.call("GET", f"/instances/{body['id']}")
    assert (shown["state"], shown["place"]["node"], shown["price_per_device_hour"]) == (
        "provisioning",
        "node-1",
        "5400",
    )


@pytest.mark.parametrize(
    ("changes", "status", "code", "pointer"),
    [
        ({"accelerators": ["nvidia-h300"]}, 422, "accelerator_unknown", "/accelerators"),
        ({"devices": 0}, 422, "validation_failed", "/devices"),
        ({"devices": 9}, 422, "request_too_large", "/devices"),
        ({"devices": "2"}, 422, "validation_failed", "/devices"),
        ({"devices": True}, 422, "validation_failed", "/devices"),
        ({"devices": 65}, 422, "validation_failed", "/devices"),
        ({"name": "Train!"}, 422, "validation_failed", "/name"),
        ({"image": "; rm -rf /"}, 422, "validation_failed", "/image"),
        ({"environment": {"A B": "x"}}, 422, "validation_failed", "/environment"),
        ({"max_price": "5399"}, 409, "price_above_limit", "/max_price"),
        ({"max_price": 5400}, 422, "validation_failed", "/max_price"),
        ({"max_duration_s": 59}, 422, "validation_failed", "/max_duration_s"),
        ({"price_versions": ["prc_01m86k26xze4dbf8g5xzkqrpgb"]}, 409, "price_changed", "/price_versions"),
        ({"project": "prj_01m86k26xze4dbf8g5xzkqrpgb"}, 404, "not_found", "/project"),
        ({"project": "prj_nonsense"}, 422, "validation_failed", "/project"),
        ({"node_selector": {"a": "b"}}, 422, "validation_failed", "/node_selector"),
    ],
)
def test_what_cannot_be_rented_is_refused_by_name(
    caller: Caller, changes: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    """A problem document with code, pointer and remedy; nothing is written."""
    answered, problem, response = caller.call("POST", "/instances", caller.body(**changes), **{"Idempotency-Key": "k"})
    assert (answered, problem["code"]) == (status, code)
    assert pointer in [item["pointer"] for item in problem["errors"]]
    assert problem["remedy"]
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert nothing_written()
    with as_actor(STAFF):
        assert not IdempotencyRecord.objects.exists()


def test_a_project_of_another_tenant_is_as_unknown_as_a_random_one(caller: Caller, stranger: Caller) -> None:
    """The same answer but for the request's id."""
    answers = []
    for project in (stranger.project, "prj_01m86k26xze4dbf8g5xzkqrpgb"):
        status, problem, _response = caller.call("POST", "/instances", caller.body(project=project))
        problem.pop("request_id")
        answers.append((status, problem))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert nothing_written()


def test_a_data_class_that_no_site_may_take_is_refused_with_every_reason(caller: Caller) -> None:
    """After the site's certificate is revoked, at that second."""
    with as_actor(STAFF):
        certificate = Certification.objects.get(scheme__code="finance-csp")
        revoke_certification(actor=STAFF, certification_id=certificate.id, reason="test", now=NOW)
    status, problem, _response = caller.call("POST", "/instances", caller.body())
    assert (status, problem["code"]) == (403, "data_class_not_allowed")
    reasons = problem["sites"][0]["reasons"]
    assert [(reason["rule"], reason["data_class"]) for reason in reasons] == [
        ("certificate_revoked", "personal-credit")
    ]
    assert "finance-csp-pangyo" in reasons[0]["message"]
    assert nothing_written()


def test_a_certificate_that_ends_tomorrow_is_not_enough_for_an_open_ended_instance(
    caller: Caller, time_machine: Any
) -> None:
    """But it is for an hour's work."""
    later = NOW + timedelta(days=398)
    time_machine.move_to(later, tick=False)
    status, problem, _response = caller.call("POST", "/instances", caller.body())
    assert (status, problem["code"]) == (403, "data_class_not_allowed")
    assert {reason["rule"] for reason in problem["sites"][0]["reasons"]} == {"certificate_expires_too_soon"}
    status, _body, _response = caller.call("POST", "/instances", caller.body(max_duration_s=3_600))
    assert status == 201


def test_a_price_that_changed_since_the_quote_is_told(
    caller: Caller, small_market: SmallMarket, time_machine: Any
) -> None:
    """The quoted version is no longer in force; the new quote's is."""

    def quoted() -> dict[str, Any]:
        body = {"project": caller.project, "devices": 2, "accelerators": ["nvidia-h200"]}
        _status, answer, _response = caller.call("POST", "/quotes", body)
        offer: dict[str, Any] = answer["offers"][0]
        return offer

    before = quoted()
    assert (before["price_per_device_hour"], before["price_per_hour"], before["availability"]) == (
        "5400",
        "10800",
        "now",
    )
    with as_actor(STAFF):
        publish_price(
            actor=STAFF,
            offer_id=small_market.offer.id,
            price_micros_per_device_hour=6_000_000_000,
            effective_from=NOW + timedelta(minutes=1),
            now=NOW,
        )
    time_machine.move_to(NOW + timedelta(minutes=1), tick=False)
    status, problem, _response = caller.call(
        "POST", "/instances", caller.body(price_versions=[before["price_version"]])
    )
    assert (status, problem["code"]) == (409, "price_changed")
    assert nothing_written()
    status, body, _response = caller.call("POST", "/instances", caller.body(price_versions=[quoted()["price_version"]]))
    assert (status, body["terms"][0]["price_per_device_hour"]) == (201, "6000")


def test_a_suspended_tenant_may_read_but_start_nothing(caller: Caller) -> None:
    """With the reason the operator gave."""
    with as_actor(STAFF):
        set_standing(
            actor=STAFF, tenant_id=caller.renter.tenant.id, status=TenantStatus.SUSPENDED, reason="미납", now=NOW
        )
    status, problem, _response = caller.call("POST", "/instances", caller.body())
    assert (status, problem["code"]) == (403, "tenant_suspended")
    assert "미납" in problem["title"]
    assert caller.call("GET", "/instances")[0] == 200
    assert nothing_written()


def test_over_quota_is_refused_with_the_numbers(caller: Caller) -> None:
    """Sixteen are allowed, eight are taken, nine more do not fit: the third request of eight is refused."""
    assert [caller.call("POST", "/instances", caller.body(devices=8))[0] for _ in range(2)] == [201, 201]
    status, problem, _response = caller.call("POST", "/instances", caller.body(devices=1))
    assert (status, problem["code"]) == (403, "quota_exceeded")
    assert "16" in problem["title"]
    with as_actor(STAFF):
        assert (Instance.objects.count(), Quota.objects.get().used) == (2, 16)


def test_a_dry_run_answers_as_the_rent_would_and_writes_nothing(caller: Caller) -> None:
    """Also under an Idempotency-Key, which stays free."""
    status, body, _response = caller.call("POST", "/instances?dry_run=true", caller.body(), **{"Idempotency-Key": "k"})
    assert (status, body["state"]) == (201, "queued")
    assert nothing_written()
    assert caller.call("POST", "/instances", caller.body(), **{"Idempotency-Key": "k"})[0] == 201

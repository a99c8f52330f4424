"""POST /usage-events: keys, media types, sizes, errors that name the event, and who may tell what."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.metering import meter_instance
from billing.models import Charge, UsageEvent
from marketplace.inventory.provider_keys import IssuedProviderKey, issue_provider_key, revoke_provider_key
from marketplace.kernel.actors import as_actor
from marketplace.kernel.key_text import checksum
from tests.api.caller import Caller
from tests.billing.telling import issue_key, let_site_meter, told, withdrawn
from tests.market import NOW, STAFF, SmallMarket, run_instance

BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"
LATER = NOW + timedelta(hours=2)


def post(secret: str, body: Any, *, media_type: str = BATCH) -> tuple[int, dict[str, Any]]:
    """Status and parsed body."""
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    response = Client(raise_request_exception=False).post(
        "/api/v1/usage-events", data, content_type=media_type,
        headers={"Authorization": f"Bearer {secret}", "Accept-Language": "en"},
    )  # fmt: skip
    return response.status_code, response.json()


@pytest.fixture
def told_hour(small_market: SmallMarket, caller: Caller, time_machine: Any) -> tuple[IssuedProviderKey, Any]:
    """A self-metering site's key, and an instance that ran there for an hour; it is an hour later."""
    let_site_meter(small_market.site)
    time_machine.move_to(NOW, tick=True)  # ids are in order of time, and so are transitions
    instance = run_instance(caller.renter, started_at=NOW, ended_at=NOW + timedelta(hours=1))
    issued = issue_key()
    time_machine.move_to(LATER, tick=False)
    return issued, instance


def minutes_of(instance: Any, start: float, end: float, event_id: str, **data: Any) -> dict[str, Any]:
    """Minutes of two devices."""
    return told(instance.id, NOW + timedelta(minutes=start), NOW + timedelta(minutes=end), event_id=event_id, **data)


def test_a_batch_is_accepted_charged_and_shown_to_the_customer(
    told_hour: tuple[IssuedProviderKey, Any], caller: Caller
) -> None:
    """Two events, then one of them again beside a single one; the customer sees three half hours."""
    issued, instance = told_hour
    first, second = minutes_of(instance, 0, 20, "1"), minutes_of(instance, 20, 40, "2")
    assert post(issued.secret, [first, second]) == (202, {"accepted": 2, "duplicates": 0})
    assert post(issued.secret, [second]) == (202, {"accepted": 0, "duplicates": 1})
    single = minutes_of(instance, 40, 60, "3")
    assert post(issued.secret, single, media_type=f"{SINGLE}; charset=utf-8") == (202, {"accepted": 1, "duplicates": 0})
    with as_actor(STAFF):
        meter_instance(instance_id=instance.id, now=LATER)
        assert sum(Charge.objects.values_list("device_seconds", flat=True)) == 2 * 3_600
    path = f"/instances/{minutes_of(instance, 0, 1, 'x')['subject']}/usage"
    rows = caller.call("GET", path)[1]["data"]
    assert [(row["kind"], row["started_at"][11:16], row["ended_at"][11:16]) for row in rows] == [
        ("metered", "03:00", "03:20"),
        ("metered", "03:20", "03:40"),
        ("metered", "03:40", "04:00"),
    ]


@pytest.mark.parametrize(
    "secret", ["", "nonsense", "ondolprv_" + "a" * 12 + "_" + "0" * 32 + checksum("a" * 12 + "0" * 32)]
)
def test_a_wrong_key_is_refused(small_market: SmallMarket, secret: str) -> None:
    """Before the body is looked at."""
    del small_market
    status, problem = post(secret, b"{")
    assert (status, problem["code"]) == (401, "unauthenticated")


def test_keys_of_customers_and_of_meters_open_each_their_own_routes(
    told_hour: tuple[IssuedProviderKey, Any], caller: Caller
) -> None:
    """Neither is good for the other; revoked and expired ones are told apart."""
    issued, instance = told_hour
    event = minutes_of(instance, 0, 20, "1")
    assert post(caller.secret, [event])[1]["code"] == "unauthenticated"
    meter = Caller(client=caller.client, secret=issued.secret, renter=caller.renter)
    assert meter.call("GET", "/instances")[1]["code"] == "unauthenticated"
    with as_actor(STAFF):
        revoke_provider_key(actor=STAFF, key_id=issued.key.id, reason="lost", now=LATER)
        short = issue_provider_key(
            actor=STAFF, provider_id=issued.key.provider_id, name="short", reason="a try", now=NOW, expires_at=LATER
        )
    assert post(issued.secret, [event])[1]["code"] == "api_key_revoked"
    assert post(short.secret, [event])[1]["code"] == "api_key_expired"
    with as_actor(STAFF):
        assert UsageEvent.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"[{", BATCH, 400, "malformed_body"),
        (b"{}", BATCH, 400, "malformed_body"),
        (b"[]", BATCH, 422, "usage_batch_size"),
        (b"[" + b"1," * 1_000 + b"1]", BATCH, 422, "usage_batch_size"),
        (b"[" + b"{}," * 400_000 + b"{}]", BATCH, 413, "body_too_large"),
        (b"[]", "application/json", 415, "media_type_unsupported"),
        (b"[]", SINGLE, 422, "usage_event_invalid"),
    ],
)
def test_a_body_that_is_no_batch_is_refused(
    told_hour: tuple[IssuedProviderKey, Any], body: bytes, media_type: str, status: int, code: str
) -> None:
    """Not JSON, no array, empty, 1,001 events, 1.2 MB, of another type."""
    answered, problem = post(told_hour[0].secret, body, media_type=media_type)
    assert (answered, problem["code"]) == (status, code)


def test_the_event_that_is_wrong_is_named_and_nothing_of_its_batch_is_kept(
    told_hour: tuple[IssuedProviderKey, Any],
) -> None:
    """By index and member, in the caller's language, with what to do."""
    issued, instance = told_hour
    good = [minutes_of(instance, 0, 20, "1"), minutes_of(instance, 20, 40, "2")]
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        (minutes_of(instance, 40, 60, "3", quantity=-1), 422, "usage_event_invalid", "/2/data/quantity"),
        (minutes_of(instance, 40, 60, "3", quantity=1.5), 422, "usage_event_invalid", "/2/data/quantity"),
        (minutes_of(instance, 40, 200, "3"), 422, "usage_event_invalid", "/2/data/ended_at"),
        (minutes_of(instance, 60, 40, "3"), 422, "usage_event_invalid", "/2/data/ended_at"),
        (minutes_of(instance, 30, 60, "3"), 409, "usage_overlap", "/2/data/started_at"),
        (minutes_of(instance, 40, 60, "1"), 409, "usage_event_conflict", "/2/id"),
        (withdrawn("9", event_id="3"), 422, "usage_event_invalid", "/2/data/id"),
    ]
    for event, status, code, pointer in cases:
        answered, problem = post(issued.secret, [*good, event])
        assert (answered, problem["code"], problem["errors"][0]["pointer"]) == (status, code, pointer)
        assert problem["index"] == 2
        assert "Event 2 of the batch" in problem["title"]
        assert problem["remedy"]
    with as_actor(STAFF):
        assert UsageEvent.objects.count() == 0


def test_a_full_batch_takes_as_many_queries_as_one_event(told_hour: tuple[IssuedProviderKey, Any]) -> None:
    """A thousand events of three seconds each."""
    issued, instance = told_hour
    counts = []
    for first, last in ((0, 1), (1, 1_001)):
        events = [minutes_of(instance, n / 20, (n + 1) / 20, str(n)) for n in range(first, last)]
        with CaptureQueriesContext(connection) as queries:
            assert post(issued.secret, events) == (202, {"accepted": last - first, "duplicates": 0})
        counts.append(len(queries))
    assert counts[0] == counts[1] < 16

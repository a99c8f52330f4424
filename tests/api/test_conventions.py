"""What holds for every route: keys, bodies, parameters, idempotency, isolation, query counts."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketplace.instances.models import Instance
from marketplace.kernel.actors import as_actor
from marketplace.kernel.key_text import checksum  # a forger can compute it as well
from marketplace.kernel.models import IdempotencyRecord
from marketplace.tenants.api_keys import find_prefix, issue_api_key, revoke_api_key
from marketplace.tenants.models import ApiKey
from tests.api.caller import Caller, make_caller
from tests.market import NOW, STAFF, add_renter, build_market, rent_as


@pytest.mark.parametrize("secret", ["", "nonsense", "ondol_aaaaaaaaaaaa_" + "a" * 38])
def test_a_wrong_key_is_refused_before_anything_is_read(caller: Caller, secret: str) -> None:
    """401 with the scheme that is wanted."""
    status, problem, response = Caller(client=caller.client, secret=secret, renter=caller.renter).call(
        "GET", "/instances"
    )
    assert (status, problem["code"]) == (401, "unauthenticated")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="ondol"'


def test_a_forged_key_with_a_true_prefix_is_refused(caller: Caller) -> None:
    """The checksum is right, the secret is not."""
    prefix = find_prefix(caller.secret)
    assert prefix is not None
    forged = f"ondol_{prefix}_{'0' * 32}{checksum(prefix + '0' * 32)}"
    assert find_prefix(forged) == prefix
    status, problem, _response = Caller(client=caller.client, secret=forged, renter=caller.renter).call(
        "GET", "/instances"
    )
    assert (status, problem["code"]) == (401, "unauthenticated")


def test_an_expired_and_a_revoked_key_are_told_apart(caller: Caller, time_machine: Any) -> None:
    """Both from the very next request on."""
    with as_actor(STAFF):
        short = issue_api_key(
            actor=STAFF, project=caller.renter.project, name="short", scopes=["instances.read"], now=NOW,
            expires_at=NOW + timedelta(seconds=1),
        )  # fmt: skip
    guest = Caller(client=caller.client, secret=short.secret, renter=caller.renter)
    assert guest.call("GET", "/instances")[0] == 200
    time_machine.move_to(NOW + timedelta(seconds=1), tick=False)
    assert guest.call("GET", "/instances")[1]["code"] == "api_key_expired"
    with as_actor(caller.renter.actor):
        key = ApiKey.objects.get(prefix=find_prefix(caller.secret))
        revoke_api_key(actor=caller.renter.actor, api_key_id=key.id, now=NOW)
    assert caller.call("GET", "/instances")[1]["code"] == "api_key_revoked"


def test_a_key_without_the_scope_is_refused(caller: Caller) -> None:
    """Scopes default to none and are checked on every route."""
    reader = make_caller(caller.renter, scopes=frozenset({"instances.read"}))
    assert reader.call("GET", "/instances")[0] == 200
    status, problem, _response = reader.call("POST", "/instances", reader.body())
    assert (status, problem["code"], problem["permission"]) == (403, "forbidden", "instances.write")
    assert reader.call("GET", "/invoices")[1]["code"] == "forbidden"


def test_only_a_hash_of_the_key_is_stored(caller: Caller) -> None:
    """The text is nowhere in the row."""
    with as_actor(STAFF):
        row = ApiKey.objects.values().get()
    assert len(bytes(row["secret_hash"])) == 32
    assert caller.secret[20:] not in json.dumps(row, default=str)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"project": ', 400, "malformed_body"),
        (b"[1, 2]", 422, "validation_failed"),
        (b'{"name": "' + b"x" * 2_000_000 + b'"}', 413, "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(caller: Caller, body: bytes, status: int, code: str) -> None:
    """Not JSON, not an object, 2 MB."""
    answered, problem, _response = caller.call("POST", "/instances", body)
    assert (answered, problem["code"]) == (status, code)


def test_problems_speak_the_callers_language_and_tell_nothing_of_our_insides(caller: Caller) -> None:
    """An unknown route, a method that is not there, a wrong type and an unknown parameter."""
    assert caller.call("GET", "/nonsense")[1]["code"] == "not_found"
    assert caller.call("PUT", "/instances", {})[1]["code"] == "method_not_allowed"
    assert caller.call("GET", "/instances?colour=red")[1]["errors"] == [
        {
            "pointer": "?colour",
            "detail": "The request has a value that cannot be used: There is no query parameter colour here.",
        }
    ]
    response = caller.client.post(
        "/api/v1/quotes", "a=1", content_type="text/plain", headers={"Authorization": f"Bearer {caller.secret}"}
    )
    assert (response.status_code, response.json()["code"]) == (415, "media_type_unsupported")


def test_a_repeated_write_replays_the_first_answer(caller: Caller) -> None:
    """Once written, twice answered; another body under the same key is refused; another tenant's same key is independent."""
    first = caller.call("POST", "/instances", caller.body(), **{"Idempotency-Key": "k1"})
    again = caller.call("POST", "/instances", caller.body(), **{"Idempotency-Key": "k1"})
    assert (first[0], first[1]) == (again[0], again[1])
    assert "Idempotent-Replayed" not in first[2].headers
    assert again[2].headers["Idempotent-Replayed"] == "true"
    status, problem, _response = caller.call("POST", "/instances", caller.body(devices=1), **{"Idempotency-Key": "k1"})
    assert (status, problem["code"]) == (422, "idempotency_mismatch")
    with as_actor(STAFF):
        assert (Instance.objects.count(), IdempotencyRecord.objects.count()) == (1, 1)


def test_the_secret_of_a_new_key_is_shown_once_and_never_replayed(caller: Caller) -> None:
    """The replay has `secret: null`; the stored record never had it."""
    body = {"project": caller.project, "name": "ci", "scopes": ["instances.read"]}
    status, first, _response = caller.call("POST", "/api-keys", body, **{"Idempotency-Key": "k2"})
    assert (status, find_prefix(first["secret"])) == (201, first["prefix"].removeprefix("ondol_"))
    again = caller.call("POST", "/api-keys", body, **{"Idempotency-Key": "k2"})[1]
    assert again == {**first, "secret": None}
    with as_actor(STAFF):
        assert first["secret"] not in json.dumps(IdempotencyRecord.objects.get(key="k2").body)


@pytest.mark.committing
def test_twenty_parallel_requests_with_one_key_rent_once() -> None:
    """Real commits, twenty threads, one instance, equal answers."""
    from marketplace.kernel import clock  # noqa: PLC0415 - this test runs by the true clock

    build_market(now=clock.now())
    caller = make_caller(add_renter(now=clock.now()))
    answers: list[tuple[int, str]] = []

    def call() -> None:
        other = Caller(client=Client(), secret=caller.secret, renter=caller.renter)
        status, body, _response = other.call("POST", "/instances", other.body(), **{"Idempotency-Key": "same"})
        answers.append((status, body["id"]))
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert len(set(answers)) == 1
    assert answers[0][0] == 201
    with as_actor(STAFF):
        assert Instance.objects.count() == 1


@pytest.mark.parametrize("suffix", ["", "/placement", "/diagnosis", "/events", "/usage"])
def test_another_tenants_instance_is_as_unknown_as_a_random_one(caller: Caller, stranger: Caller, suffix: str) -> None:
    """404, the same body but for the request's id."""
    theirs = stranger.call("POST", "/instances", stranger.body())[1]["id"]
    answers = []
    for instance in (theirs, "ins_01m86k26xze4dbf8g5xzkqrpgb", "ins_nonsense"):
        status, problem, _response = caller.call("GET", f"/instances/{instance}{suffix}")
        problem.pop("request_id")
        answers.append((status, problem))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 404


def test_another_tenants_instance_cannot_be_acted_on(caller: Caller, stranger: Caller) -> None:
    """Neither stopped, nor ended, nor renamed."""
    theirs = stranger.call("POST", "/instances", stranger.body())[1]["id"]
    assert caller.call("POST", f"/instances/{theirs}/actions", {"type": "stop"})[0] == 404
    assert caller.call("DELETE", f"/instances/{theirs}")[0] == 404
    assert caller.call("PATCH", f"/instances/{theirs}", {"name": "mine"})[0] == 404
    assert stranger.call("GET", f"/instances/{theirs}")[1]["state"] == "queued"


@pytest.mark.parametrize("path", ["/instances", "/projects", "/quotas", "/api-keys", "/invoices", "/offers", "/costs"])
def test_a_list_takes_as_many_queries_for_three_rows_as_for_one(caller: Caller, path: str) -> None:
    """No query in a loop."""

    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert caller.call("GET", path)[0] == 200
        return len(captured)

    rent_as(caller.renter)
    one = count()
    for _ in range(2):
        rent_as(caller.renter)
        make_caller(caller.renter)
    assert count() == one


def test_lists_are_paged_by_an_opaque_cursor(caller: Caller) -> None:
    """Three instances, two pages, newest first, nothing twice."""
    for _ in range(3):
        rent_as(caller.renter)
    first = caller.call("GET", "/instances?limit=2")[1]
    second = caller.call("GET", f"/instances?limit=2&cursor={first['next_cursor']}")[1]
    found = [item["id"] for item in (*first["data"], *second["data"])]
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 3
    assert caller.call("GET", "/instances?limit=101")[1]["code"] == "validation_failed"
    assert caller.call("GET", "/instances?cursor=x")[1]["code"] == "validation_failed"
    assert caller.call("GET", "/instances?state=ended")[1]["data"] == []


def test_a_list_is_cut_by_the_time_of_renting(caller: Caller, time_machine: Any) -> None:
    """Half-open; an instant without an offset is refused with its parameter."""
    for minutes in (0, 10, 20):
        time_machine.move_to(NOW + timedelta(minutes=minutes), tick=False)
        caller.call("POST", "/instances", caller.body(name=f"at-{minutes}", devices=1))
    query = "?created_at[gte]=2026-11-24T03:10:00Z&created_at[lt]=2026-11-24T12:20:00%2B09:00"
    status, body, _response = caller.call("GET", f"/instances{query}")
    assert (status, [row["name"] for row in body["data"]]) == (200, ["at-10"])
    status, body, _response = caller.call("GET", "/instances?created_at[gte]=2026-11-24T03:10:00")
    assert (status, body["errors"][0]["pointer"]) == (422, "?created_at[gte]")


def test_a_change_with_an_old_etag_is_refused(caller: Caller) -> None:
    """412, and the name stays."""
    made = caller.call("POST", "/instances", caller.body())[1]
    etag = caller.call("GET", f"/instances/{made['id']}")[2].headers["ETag"]
    path = f"/instances/{made['id']}"
    assert caller.call("PATCH", path, {"name": "new-name"}, **{"If-Match": etag})[1]["name"] == "new-name"
    status, problem, _response = caller.call("PATCH", path, {"name": "other"}, **{"If-Match": etag})
    assert (status, problem["code"]) == (412, "revision_mismatch")
    assert caller.call("GET", path)[1]["name"] == "new-name"


def test_an_action_that_is_not_possible_names_those_that_are(caller: Caller) -> None:
    """A queued instance cannot be started; an ended one nothing; a protected one cannot be ended."""
    made = caller.call("POST", "/instances", caller.body())[1]
    path = f"/instances/{made['id']}"
    status, problem, _response = caller.call("POST", f"{path}/actions", {"type": "start"})
    assert (status, problem["code"], problem["allowed_actions"]) == (409, "invalid_state", ["stop", "end"])
    caller.call("PATCH", path, {"deletion_protection": "on"})
    assert caller.call("DELETE", path)[1]["code"] == "deletion_protected"
    caller.call("PATCH", path, {"deletion_protection": "off"})
    assert caller.call("DELETE", path)[1]["state"] == "ended"
    assert caller.call("DELETE", path)[1]["allowed_actions"] == []


def test_the_description_lists_every_route_and_is_openapi_3_1(client: Client, db: None) -> None:
    """A route without a description would be invisible to generated clients."""
    from marketplace.api.urls import urlpatterns  # noqa: PLC0415 - needs settings

    document = client.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    described = {path.removeprefix("/api/v1/") for path in document["paths"]}
    routes = {
        str(pattern.pattern).replace("<str:", "{").replace(">", "}")
        for pattern in urlpatterns
        if getattr(pattern, "name", None) not in ("api-schema", "api-docs")
    } - {"^.*$"}
    assert routes <= described
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(
        operation["operationId"] and operation.get("summary") for operation in operations if "operationId" in operation
    )
    assert len({operation["operationId"] for operation in operations}) == len(operations)

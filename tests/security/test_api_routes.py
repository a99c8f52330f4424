"""Every route of the REST API, taken from the URLconf: who is let in, what strangers see, which methods there are."""

import json
from typing import Any

from django.test import Client

from marketplace.api.urls import urlpatterns
from tests.api.caller import Caller, make_caller
from tests.security.belongings import METHODS, Route, list_routes, unknown_ids

ROUTES = list(list_routes(urlpatterns))
OPEN_TO_ALL = {"openapi.json", "docs"}
"""Served without a key: they describe the product and nobody in it."""
OF_PROVIDERS = {"usage-events"}
"""Takes a key of a provider's meter alone; a customer's is none (tests/api/test_usage_events.py)."""
NEEDS_NO_SCOPE = {"signing-keys"}
"""Public keys: any valid API key may read them."""

SITES_OWN = {"certificate_id"}
"""Certificates of sites and providers: every customer may see them."""


def test_the_urlconf_is_seen() -> None:
    """The checks below go over something."""
    assert len(ROUTES) > 30
    assert all(route.methods for route in ROUTES if route.pattern not in OPEN_TO_ALL)


def test_without_a_key_every_route_says_401_and_nothing_else(belongings: dict[str, str]) -> None:
    told = set()
    for route, method in _calls():
        response = Client().generic(method, f"/api/v1{route.path(belongings)}", "{}", content_type="application/json")
        told.add((response.status_code, json.loads(response.content)["code"]))
    assert told == {(401, "unauthenticated")}


def test_a_key_without_the_scope_may_do_nothing(owner: Caller, belongings: dict[str, str]) -> None:
    """The key has one scope, which no route of the API asks for."""
    weak = make_caller(owner.renter, scopes=frozenset({"audit.read"}))
    wrong = []
    for route, method in _calls():
        if route.pattern in NEEDS_NO_SCOPE:
            continue
        status, body, _response = weak.call(method, route.path(belongings), {} if method != "GET" else None)
        if route.pattern in OF_PROVIDERS and (status, body["code"]) == (401, "unauthenticated"):
            continue
        if (status, body["code"]) not in ((403, "forbidden"), (403, "permission_denied"), (422, "validation_failed")):
            wrong.append((method, route.pattern, status, body))
    assert wrong == []


def test_anothers_id_is_answered_as_one_that_nothing_has(
    owner: Caller, stranger: Caller, belongings: dict[str, str]
) -> None:
    """404 with the same body but for the request's own id; reading and every way to write."""
    compared = 0
    unknown = unknown_ids(belongings)
    for route, method in _calls():
        if not route.names:
            continue
        compared += 1
        body = _plausible(route) if method in ("POST", "PATCH") else None
        query = "?type=stop" if route.pattern.endswith("/preview") else ""
        theirs = stranger.call(method, route.path(belongings) + query, body)
        nobodys = stranger.call(method, route.path(unknown) + query, body)
        assert theirs[0] == 404, (method, route.pattern, theirs[1])
        assert _without_ids(theirs[1], belongings) == _without_ids(nobodys[1], unknown), (method, route.pattern)
    assert compared > 20
    for route, method in _calls():
        if method == "GET" and route.names and not route.pattern.endswith("/pdf"):
            assert owner.call(method, route.path(belongings))[0] in (200, 422), route.pattern


def test_lists_show_a_stranger_nothing_of_it(stranger: Caller, belongings: dict[str, str]) -> None:
    """Not even when another's id is asked for as a filter."""
    for route in ROUTES:
        if route.names or "GET" not in route.methods or route.pattern in OPEN_TO_ALL:
            continue
        for query in ("", *(f"?{name}={belongings[f'{name}_id']}" for name in ("instance",))):
            _status, _body, response = stranger.call("GET", f"/{route.pattern}{query}")
            shown = response.content.decode()
            assert response.status_code in (200, 404, 422), (route.pattern, query, shown)
            leaked = [
                value
                for name, value in belongings.items()
                if value in shown and value not in query and name not in SITES_OWN
            ]
            assert leaked == [], (route.pattern, query)


def test_methods_that_are_not_there_are_405_with_those_that_are(owner: Caller, belongings: dict[str, str]) -> None:
    for route in ROUTES:
        if route.pattern in OPEN_TO_ALL | OF_PROVIDERS:
            continue
        for method in set(METHODS) - route.methods:
            status, body, response = owner.call(method, route.path(belongings), {})
            assert (status, body["code"]) == (405, "method_not_allowed"), (method, route.pattern)
            assert set(response.headers["Allow"].split(", ")) >= route.methods


def test_private_answers_are_kept_by_nobody_and_reflect_no_origin(owner: Caller, belongings: dict[str, str]) -> None:
    """No cache, no sniffing, no foreign origin let in, whatever a proxy is said to have forwarded."""
    for route, method in _calls():
        if method != "GET":
            continue
        path = route.path(belongings)
        response = owner.client.get(
            f"/api/v1{path}",
            headers={
                "Authorization": f"Bearer {owner.secret}",
                "Origin": "https://evil.example",
                "X-Forwarded-For": "203.0.113.9",
                "X-Forwarded-Host": "evil.example",
            },
        )
        assert "no-store" in response.headers["Cache-Control"], path
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in response.headers
        assert b"evil.example" not in response.content


def test_a_body_that_is_no_object_is_a_clear_refusal_everywhere(owner: Caller, belongings: dict[str, str]) -> None:
    """A list, a number, a string, deep nesting, broken JSON: 4xx with a code, never 5xx."""
    for body in ("[]", "7", '"x"', "{", "[" * 2_000, '{"a":' * 500 + "1" + "}" * 500, "\x00", '{"project": "\\ud800"}'):
        for route, method in _calls():
            if method not in ("POST", "PUT", "PATCH"):
                continue
            status, answer, _response = owner.call(method, route.path(belongings), body)
            assert 400 <= status < 500, (method, route.pattern, body[:20], status)
            assert answer["code"]


def _calls() -> list[tuple[Route, str]]:
    return [(route, method) for route in ROUTES if route.pattern not in OPEN_TO_ALL for method in sorted(route.methods)]


def _plausible(route: Route) -> dict[str, Any]:
    """A body that would be taken from the owner, so that it is the id that is refused."""
    if "assessments" in route.pattern or "quota-requests" in route.pattern:
        return {"type": "withdraw", "reason": "because"} if "assessments" in route.pattern else {"type": "withdraw"}
    if "price-changes" in route.pattern:
        return {"type": "agree"}
    if route.pattern.endswith("/actions"):
        return {"type": "stop"}
    if not route.pattern.endswith("schedules"):
        return {"name": "other"}
    return {"action": "stop", "at": "18:00", "weekdays": [5]}


def _without_ids(body: dict[str, Any], values: dict[str, str]) -> str:
    """What is told, without the request's id and the address that was asked for."""
    text = json.dumps({name: value for name, value in body.items() if name != "request_id"}, sort_keys=True)
    for name, value in values.items():
        text = text.replace(value, f"<{name}>")
    return text

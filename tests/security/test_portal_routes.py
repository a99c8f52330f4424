"""Every route of the portal, taken from the URLconf: signed in or not, whose things, and how they may be asked for."""

from typing import Any

import pytest
from django.test import Client

from marketplace.portal.urls import urlpatterns
from tests.api.caller import Caller
from tests.portal.test_pages import add_person
from tests.security.belongings import list_routes, unknown_ids

ROUTES = list(list_routes(urlpatterns))
WITHOUT_SIGN_IN = {"sign-in", "sign-out", "language", "theme"}
ACTING = {"hide", "schedules", "actions", "withdraw", "resubmit", "remove", "close", "revoke", "project", "tenant"}
"""Last words of routes that only take a POST."""
FOR_EVERYBODY = {"assurance/certificates/<str:certificate_id>/paper"}
"""Routes that name a thing of no tenant."""

PLAUSIBLE = {
    "type": "stop", "reason": "because", "action": "stop", "at": "18:00", "repeat": "weekly", "weekdays": "5", "limit": "30",
    "justification": "Training of the next model.",
}  # fmt: skip
"""What the owner could send to each of them."""


def _sign_in(caller: Caller, email: str) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(add_person(caller.renter, email=email))
    client.cookies["ondol_language"] = "en"
    return client


def _last(pattern: str) -> str:
    return pattern.rsplit("/", 1)[-1]


def test_without_a_session_every_page_leads_to_the_sign_in(belongings: dict[str, str]) -> None:
    assert len(ROUTES) > 30
    for route in ROUTES:
        if route.pattern in WITHOUT_SIGN_IN:
            continue
        for method in ("get", "post"):
            response = getattr(Client(), method)(route.path(belongings))
            assert response.status_code in (302, 405), (method, route.pattern)
            if response.status_code == 302:
                assert response.headers["Location"].startswith("/sign-in"), (method, route.pattern)


def test_anothers_page_is_answered_as_one_that_is_not_there(
    stranger: Caller, owner: Caller, belongings: dict[str, str]
) -> None:
    """404 for whoever signed in elsewhere, for pages, files and acts; the owner's own answers."""
    other, own = _sign_in(stranger, "eve@dasom.example"), _sign_in(owner, "owner@gaon.example")
    unknown = unknown_ids(belongings)
    compared = 0
    for route in ROUTES:
        if not route.names or route.pattern in FOR_EVERYBODY:
            continue
        compared += 1
        method = "post" if _last(route.pattern) in ACTING else "get"
        body: dict[str, Any] = PLAUSIBLE if method == "post" else {}
        query = "?type=stop" if _last(route.pattern) == "preview" else ""
        theirs = getattr(other, method)(route.path(belongings) + query, body)
        nobodys = getattr(other, method)(route.path(unknown) + query, body)
        assert (theirs.status_code, nobodys.status_code) == (404, 404), (method, route.pattern)
        if method == "get":
            assert own.get(route.path(belongings) + query).status_code in (200, 405, 409, 422), route.pattern
    assert compared > 15


def test_a_get_changes_nothing_and_every_form_needs_its_token(owner: Caller, belongings: dict[str, str]) -> None:
    """Acts refuse a GET; a POST without the page's token is refused before anything is looked at."""
    own = _sign_in(owner, "owner@gaon.example")
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = own.cookies
    for route in ROUTES:
        path = route.path(belongings)
        if _last(route.pattern) in ACTING:
            assert own.get(path).status_code == 405, route.pattern
        response = careful.post(path, {"name": "x"}, headers={"Origin": "https://evil.example"})
        assert response.status_code in (403, 405), (route.pattern, response.status_code)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_pages_are_kept_by_nobody_and_say_how_they_may_be_used(
    owner: Caller, belongings: dict[str, str], language: str
) -> None:
    """No store, no sniffing, no frame, a policy without inline scripts, nothing that a forwarded header could change."""
    own = _sign_in(owner, "owner@gaon.example")
    own.cookies["ondol_language"] = language
    for route in ROUTES:
        if _last(route.pattern) in ACTING or route.pattern in WITHOUT_SIGN_IN:
            continue
        response = own.get(
            route.path(belongings), headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example"}
        )
        assert response.status_code < 500, route.pattern
        assert b"evil.example" not in response.content, route.pattern
        if response.status_code != 200:
            continue
        headers = response.headers
        assert "no-store" in headers["Cache-Control"], route.pattern
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "unsafe-inline" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"] or headers["X-Frame-Options"] == "DENY"

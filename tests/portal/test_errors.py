"""Pages for what goes wrong: in the visitor's language, with the request's id, and without the database."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from marketplace.accounts.models import User
from marketplace.portal.views import session


def ask(client: Client, path: str, *, language: str = "ko", **headers: str) -> Any:
    """GET with a language and a request id of our own."""
    client.cookies["ondol_language"] = language
    return client.get(path, headers={"X-Request-Id": "req_test_0001", **headers})


@pytest.mark.parametrize(
    ("language", "heading"), [("ko", "페이지를 찾을 수 없습니다"), ("en", "There is no such page")]
)
def test_an_unknown_address(client: Client, language: str, heading: str) -> None:
    """404 in both languages, with the id that support asks for."""
    response = ask(client, "/nowhere", language=language)
    text = response.content.decode()
    assert response.status_code == 404
    assert f"<h1>{heading}</h1>" in text
    assert "<code>req_test_0001</code>" in text
    assert f'<html lang="{language}">' in text


def test_a_form_without_its_token_changes_nothing_and_says_so() -> None:
    """403 as a page of ours."""
    client = Client(enforce_csrf_checks=True)
    client.cookies["ondol_language"] = "en"
    response = client.post("/language", {"language": "ko"})
    assert response.status_code == 403
    assert "Nothing was changed." in response.content.decode()
    assert response.cookies.get("ondol_language") is None


def test_a_body_that_is_too_large_is_refused(client: Client) -> None:
    """400 before the body is parsed."""
    client.cookies["ondol_language"] = "en"
    response = client.post("/sign-in", {"email": "a" * 2_000_000})
    assert response.status_code == 400
    assert "The request cannot be read" in response.content.decode()


@pytest.mark.parametrize(
    ("failure", "status", "heading"),
    [
        (OperationalError("connection refused at 10.0.0.7"), 503, "Ondol cannot answer now"),
        (RuntimeError("secret detail"), 500, "Something went wrong on our side."),
    ],
)
def test_a_failure_shows_its_id_and_nothing_else(
    failure: Exception, status: int, heading: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No stack, no SQL, no host name; a database that does not answer is 503 with a time to come back."""

    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(session, "render", fail)
    client = Client(raise_request_exception=False)
    response = ask(client, "/sign-in", language="en")
    text = response.content.decode()
    assert response.status_code == status
    assert f"<h1>{heading}</h1>" in text
    assert "<code>req_test_0001</code>" in text
    assert str(failure) not in text
    assert response.headers.get("Retry-After") == ("30" if status == 503 else None)


@pytest.mark.django_db
def test_a_session_that_ended_sends_the_whole_page_to_the_sign_in(client: Client) -> None:
    """A fragment is not answered with a redirect, which would put the sign-in page inside the page."""
    assert User.objects.count() == 0
    path = "/instances/ins_00000000000000000000000000"
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{path}?unconfirmed=1"}
    response = ask(client, f"{path}/live", **headers)
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == f"/sign-in?next={path}%3Funconfirmed%3D1"
    assert response.content == b""

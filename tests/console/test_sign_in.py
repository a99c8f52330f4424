"""Signing in to the console, and its error pages."""

import pytest
from django.test import Client

from marketplace.accounts.models import User
from tests.console.operators import PASSWORD

pytestmark = pytest.mark.django_db


def test_an_operator_signs_in_by_the_form(console_face: None, operator: User, client: Client) -> None:
    """The page that was asked for follows; the wrong password stays on the form."""
    asked = "/login/?next=/pages/overview"
    refused = client.post(asked, {"username": operator.email, "password": "wrong"})
    assert refused.status_code == 200
    response = client.post(asked, {"username": operator.email, "password": PASSWORD})
    assert (response.status_code, response.headers["Location"]) == (302, "/pages/overview")
    assert client.get("/pages/overview").status_code == 200


def test_a_page_that_is_not_there_says_so(console: Client) -> None:
    """The console's error pages stand on their own, without the portal's routes."""
    response = console.get("/nowhere")
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()

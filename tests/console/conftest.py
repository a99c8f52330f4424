"""An operator signed in to the console."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import clear_url_caches, set_urlconf

if TYPE_CHECKING:
    from marketplace.accounts.models import User


@pytest.fixture
def console_face(settings: Any) -> Iterator[None]:
    """The settings of the console's process."""
    settings.ROOT_URLCONF = "marketplace.config.urls_console"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "marketplace.config.console.OperatorTransactionMiddleware"]
    clear_url_caches()
    set_urlconf(None)
    yield
    clear_url_caches()
    set_urlconf(None)


@pytest.fixture
def operator(time_machine: Any, db: None) -> User:
    """An operator; the clock stands at noon."""
    from tests.console.operators import add_operator  # noqa: PLC0415 - pytest reads this before Django is set up
    from tests.market import NOW  # noqa: PLC0415

    time_machine.move_to(NOW, tick=False)
    return add_operator()


@pytest.fixture
def console(console_face: None, operator: User, client: Client) -> Client:
    """The operator's browser, in English."""
    client.force_login(operator)
    client.cookies["ondol_language"] = "en"
    return client

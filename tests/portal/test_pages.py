"""The portal's pages: who may see what, one query count, no inline scripts."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketplace.accounts.models import User
from marketplace.accounts.operations import create_user
from marketplace.instances.models import Instance
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.csv_cells import neutralise
from marketplace.kernel.models import Severity
from marketplace.kernel.notices import raise_notice
from marketplace.tenants.models import Role
from marketplace.tenants.operations import add_member
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as

pytestmark = pytest.mark.django_db

PASSWORD = "correct-horse-battery"


def add_person(renter: Renter, *, email: str = "engineer@gaon.example", role: Role = Role.OWNER) -> User:
    """A member who can sign in."""
    with as_actor(STAFF):
        user = create_user(actor=STAFF, email=email, name="엔지니어", password=PASSWORD, now=NOW)
        add_member(actor=STAFF, tenant_id=renter.tenant.id, user_id=user.id, role=role, now=NOW)
    return user


@pytest.fixture
def renter(time_machine: Any) -> Renter:
    """A bank in a small market at noon; the clock stands."""
    time_machine.move_to(NOW, tick=False)
    build_market()
    return add_renter()


@pytest.fixture
def signed_in(renter: Renter, client: Client) -> Client:
    """The bank's owner, in English."""
    client.force_login(add_person(renter))
    client.cookies["ondol_language"] = "en"
    return client


def test_a_stranger_is_sent_to_the_sign_in_and_back(renter: Renter, client: Client, broker: str) -> None:
    """The page that was asked for comes after the right password; the session's id changes."""
    del broker
    add_person(renter)
    response = client.get("/instances")
    assert (response.status_code, response.headers["Location"]) == (302, "/sign-in?next=/instances")
    refused = client.post("/sign-in", {"email": "engineer@gaon.example", "password": "wrong"})
    assert refused.status_code == 401
    before = client.session.session_key
    response = client.post("/sign-in?next=/instances", {"email": "ENGINEER@gaon.example", "password": PASSWORD})
    assert (response.status_code, response.headers["Location"]) == (302, "/instances")
    assert client.session.session_key != before
    assert client.get("/instances").status_code == 200


def test_the_sign_in_never_leads_elsewhere(renter: Renter, client: Client, broker: str) -> None:
    """An address outside Ondol is ignored."""
    del broker
    add_person(renter)
    response = client.post(
        "/sign-in", {"email": "engineer@gaon.example", "password": PASSWORD, "next": "https://evil.example/"}
    )
    assert response.headers["Location"] == "/"


@pytest.mark.parametrize(
    "path", ["/", "/catalogue", "/launch", "/instances", "/quotas", "/quotas/ask", "/costs", "/invoices", "/api-keys"]
)
def test_every_page_opens_in_both_languages_without_inline_code(signed_in: Client, path: str) -> None:
    """No inline script, style or handler; the policy allows none."""
    for language in ("en", "ko"):
        signed_in.cookies["ondol_language"] = language
        response = signed_in.get(path)
        html = response.content.decode()
        assert response.status_code == 200
        assert f'<html lang="{language}"' in html
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", html)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_renting_leads_to_the_instance(signed_in: Client, renter: Renter) -> None:
    """The form's offer, devices and name are what is rented; its page says why it waits."""
    offer = ids.format_id(prefix="off", value=_first_offer())
    response = signed_in.post(
        "/launch", {"name": "train", "devices": "2", "offer": offer, "image": "registry.example/a:1"}
    )
    with as_actor(STAFF):
        instance = Instance.objects.get()
    public = ids.format_id(prefix="ins", value=instance.id)
    assert (response.status_code, response.headers["Location"]) == (302, f"/instances/{public}")
    assert (instance.name, instance.devices, instance.tenant_id) == ("train", 2, renter.tenant.id)
    page = signed_in.get(f"/instances/{public}").content.decode()
    assert "The request is in the queue and is looked at next." in page
    assert 'hx-trigger="every 2s"' in page


def test_a_refused_rent_keeps_what_was_typed_and_says_why(signed_in: Client) -> None:
    """Nothing is written; the name stands in the form."""
    offer = ids.format_id(prefix="off", value=_first_offer())
    response = signed_in.post(
        "/launch", {"name": "train", "devices": "9", "offer": offer, "image": "registry.example/a:1"}
    )
    page = response.content.decode()
    assert response.status_code == 422
    assert "9 devices were asked for; one instance can have at most 8." in page
    assert 'value="train"' in page
    with as_actor(STAFF):
        assert not Instance.objects.exists()


def test_an_end_needs_the_name(signed_in: Client, renter: Renter) -> None:
    """Another name ends nothing."""
    instance = rent_as(renter)
    path = f"/instances/{ids.format_id(prefix='ins', value=instance.id)}"
    signed_in.post(f"{path}/actions", {"type": "end", "name": "other"})
    assert _state(instance) == "queued"
    signed_in.post(f"{path}/actions", {"type": "end", "name": "train"})
    assert _state(instance) == "ended"


def test_another_tenants_instance_is_not_found(signed_in: Client) -> None:
    """Looked at, or acted on."""
    stranger = add_renter(number="6068100016", name="다솜정밀", data_classes=("open",))
    instance = rent_as(stranger)
    path = f"/instances/{ids.format_id(prefix='ins', value=instance.id)}"
    assert signed_in.get(path).status_code == 404
    assert signed_in.post(f"{path}/actions", {"type": "stop"}).status_code == 404
    assert _state(instance) == "queued"


def test_a_viewer_sees_no_buttons_and_may_press_none(renter: Renter, client: Client) -> None:
    """The page hides what the server refuses."""
    instance = rent_as(renter)
    client.force_login(add_person(renter, email="viewer@gaon.example", role=Role.VIEWER))
    client.cookies["ondol_language"] = "en"
    path = f"/instances/{ids.format_id(prefix='ins', value=instance.id)}"
    page = client.get(path).content.decode()
    assert "stop-dialog" not in page
    assert "end-dialog" not in page
    assert client.post(f"{path}/actions", {"type": "stop"}).status_code == 403
    assert client.get("/invoices").status_code == 403
    assert _state(instance) == "queued"


def test_the_list_takes_as_many_queries_for_three_instances_as_for_one(signed_in: Client, renter: Renter) -> None:
    """No query in a loop."""

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert signed_in.get("/instances").status_code == 200
        return len(captured)

    rent_as(renter)
    one = count()
    rent_as(renter)
    rent_as(renter)
    assert count() == one


def test_a_key_is_shown_once(signed_in: Client) -> None:
    """On the answer to the form, and nowhere afterwards."""
    page = signed_in.post("/api-keys", {"name": "ci", "scopes": ["instances.read"]}).content.decode()
    secret = re.search(r'<code id="secret">(ondol_[a-z0-9_]+)</code>', page)
    assert secret is not None
    assert secret.group(1) not in signed_in.get("/api-keys").content.decode()


def _first_offer() -> Any:
    from marketplace.inventory.models import Offer  # noqa: PLC0415 - one query

    with as_actor(STAFF):
        return Offer.objects.values_list("id", flat=True).get()


def _state(instance: Instance) -> str:
    with as_actor(STAFF):
        return str(Instance.objects.values_list("state", flat=True).get(id=instance.id))


def test_a_notice_is_shown_to_its_tenant_until_hidden(signed_in: Client, renter: Renter) -> None:
    """Another tenant's and the operators' notices are never shown, and cannot be hidden."""
    with as_actor(STAFF):
        mine, others, operators = (
            raise_notice(
                key=f"difference:{name}", code="ledger.difference", severity=Severity.INFO, tenant_id=tenant_id,
                facts={"what": name, "actual": 1, "expected": 2}, now=NOW,
            )
            for name, tenant_id in (("mine", renter.tenant.id), ("others", add_renter().tenant.id), ("operators", None))
        )  # fmt: skip
    text = signed_in.get("/").content.decode()
    assert [name for name in ("mine", "others", "operators") if f"{name} is 1" in text] == ["mine"]
    for notice in (others, operators):
        assert signed_in.post(f"/notices/{ids.format_id(prefix='not', value=notice.id)}/hide").status_code == 404
    assert signed_in.post(f"/notices/{ids.format_id(prefix='not', value=mine.id)}/hide").status_code == 302
    assert "mine is 1" not in signed_in.get("/").content.decode()


def test_a_cell_that_a_spreadsheet_would_run_is_text() -> None:
    """Whatever a cost centre is called; names without a formula stay as they are."""
    assert [neutralise(text) for text in ("=1+1", "+1", "-1", "@a", "\tx", "리스크-310")] == [
        "'=1+1", "'+1", "'-1", "'@a", "'\tx", "리스크-310",
    ]  # fmt: skip


def test_costs_can_be_had_as_csv(signed_in: Client) -> None:
    """UTF-8 with its mark, a header, and no row while nothing was used."""
    answer = signed_in.get("/costs.csv?by=cost_centre")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.content.decode().startswith("\ufeff")
    assert answer.content.decode().count("\n") == 1

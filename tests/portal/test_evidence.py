"""The page of placement evidence and its downloads."""

import json

import pytest
from django.test import Client

from marketplace.kernel import ids
from marketplace.tenants.models import Role
from tests.market import NOW, Renter, run_instance
from tests.portal.test_pages import add_person, renter, signed_in
from tests.sovereignty.verifier import load_verifier

__all__ = ["renter", "signed_in"]
pytestmark = pytest.mark.django_db


def run(renter: Renter) -> str:
    """A running instance of two devices."""
    return ids.format_id(prefix="ins", value=run_instance(renter, started_at=NOW, ended_at=None).id)


@pytest.mark.parametrize(("language", "word"), [("en", "Certificates relied on"), ("ko", "증빙 묶음")])
def test_the_page_shows_rules_certificates_and_candidates(
    signed_in: Client, renter: Renter, language: str, word: str
) -> None:
    signed_in.cookies["ondol_language"] = language
    text = signed_in.get(f"/instances/{run(renter)}/evidence").content.decode()
    assert word in text
    assert "finance-csp-pangyo" in text
    assert "node-1" in text


def test_the_signed_pack_can_be_downloaded_and_holds(signed_in: Client, renter: Renter, time_machine: object) -> None:
    """Both forms, for whole days in Seoul."""
    instance = run(renter)
    time_machine.move_to(NOW.replace(hour=5), tick=False)  # type: ignore[attr-defined]
    days = "from=2026-11-24&to=2026-11-24"
    response = signed_in.get(f"/instances/{instance}/evidence.json?{days}")
    assert response.headers["Content-Disposition"].endswith('.json"')
    assert load_verifier().check_pack(json.loads(response.content))[1] == []
    pdf = signed_in.get(f"/instances/{instance}/evidence.pdf?{days}")
    assert (pdf.status_code, pdf.content[:5]) == (200, b"%PDF-")
    assert signed_in.get(f"/instances/{instance}/evidence.json?from=tomorrow").status_code == 422


def test_a_developer_sees_the_page_and_is_told_who_may_export(renter: Renter, client: Client) -> None:
    """The pack has the audit log in it, which a developer may not read."""
    client.force_login(add_person(renter, role=Role.DEVELOPER))
    client.cookies["ondol_language"] = "en"
    instance = run(renter)
    text = client.get(f"/instances/{instance}/evidence").content.decode()
    assert "Your role does not include the audit log" in text
    assert client.get(f"/instances/{instance}/evidence.json").status_code == 403

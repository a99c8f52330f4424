"""The console's first page: who gets in, what it shows, and what acknowledging does."""

import pytest
from django.test import Client

from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry, Notice, Severity
from marketplace.kernel.notices import raise_notice, resolve_notice
from tests.console.operators import add_operator
from tests.market import NOW, STAFF

pytestmark = pytest.mark.django_db

FACTS = {"what": "transaction 7", "actual": 3, "expected": 4}


def alarm(severity: Severity = Severity.WARNING) -> Notice:
    """The ledger does not add up."""
    with as_actor(STAFF):
        return raise_notice(key="ledger", code="ledger.difference", severity=severity, facts=FACTS, now=NOW)


def read(notice: Notice) -> Notice:
    """As it stands in the database now."""
    with as_actor(STAFF):
        return Notice.objects.get(id=notice.id)


def test_the_overview_says_what_is_wrong_and_what_to_do(console: Client) -> None:
    alarm()
    text = console.get("/pages/overview").content.decode()
    assert "The ledger does not add up: transaction 7 is 3, expected 4." in text
    assert "manage.py check_ledger" in text


def test_without_a_cause_it_says_so(console: Client) -> None:
    alarm()
    with as_actor(STAFF):
        assert resolve_notice(key="ledger", now=NOW)
        assert not resolve_notice(key="ledger", now=NOW)
    assert "Nothing needs attention now." in console.get("/pages/overview").content.decode()


def test_the_root_leads_to_the_overview_and_records_stand_in_the_side_bar(console: Client) -> None:
    assert console.get("/").headers["Location"] == "/pages/overview"
    assert "/inventory/node/" in console.get("/pages/overview").content.decode()


def test_a_customer_is_not_let_in(console: Client) -> None:
    user = add_operator(email="person@gaon.example")
    with as_actor(STAFF):
        user.is_staff = False
        user.save()
    console.force_login(user)
    assert console.get("/pages/overview").headers["Location"].startswith("/login/?next=")


def test_acknowledging_needs_a_reason_and_is_audited_once(console: Client) -> None:
    notice = alarm()
    url = f"/pages/notices/{ids.format_id(prefix='not', value=notice.id)}/acknowledge"
    refused = console.post(url, {"reason": "  "})
    assert refused.status_code == 422
    assert read(notice).acknowledged_at is None
    for _again in range(2):
        assert console.post(url, {"reason": "on it"}).headers["Location"] == "/pages/overview"
    notice = read(notice)
    assert (notice.acknowledged_at, notice.acknowledged_by) == (NOW, "operator@ondol.example")
    with as_actor(STAFF):
        entry = AuditEntry.objects.get(action="notice.acknowledged")
    assert (entry.reason, entry.object_id) == ("on it", notice.id)


def test_one_cause_is_one_notice_and_a_graver_one_asks_again(console: Client) -> None:
    first = alarm()
    with as_actor(STAFF):
        Notice.objects.filter(id=first.id).update(acknowledged_at=NOW, acknowledged_by="somebody")
    assert alarm().id == first.id
    assert read(first).acknowledged_by == "somebody"
    assert alarm(Severity.CRITICAL).id == first.id
    graver = read(first)
    assert (graver.acknowledged_by, graver.severity) == ("", "critical")


def test_an_unknown_notice_is_not_there(console: Client) -> None:
    assert console.post("/pages/notices/not_00000000000000000000000000/acknowledge", {"reason": "x"}).status_code == 404
    assert console.post("/pages/notices/nonsense/acknowledge", {"reason": "x"}).status_code == 404

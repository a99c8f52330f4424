"""Maintenance in the console: whom it concerns is shown before it is saved; change, call off, extend and end."""

from typing import Any

import pytest
from django.test import Client

from marketplace.inventory.models import MaintenanceWindow, Node
from marketplace.journeys.maintain import maintain
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry, Notice
from tests.market import NOW, STAFF, SmallMarket, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db


@pytest.fixture
def market(console: Client) -> SmallMarket:
    """A bank runs two devices of the only node; it is noon in Seoul."""
    found = build_market()
    run_instance(add_renter(), started_at=NOW, ended_at=None)
    return found


def form(**changes: str) -> dict[str, str]:
    """Two hours of work this afternoon."""
    return {
        "place": "site:pangyo", "starts_at": "2026-11-24T14:00", "ends_at": "2026-11-24T16:00", "closes_at": "",
        "drain": "move", "notice_ko": "펌웨어를 올립니다.", "notice_en": "Firmware upgrade.", "reason": "firmware 2.1",
        "act": "save", **changes,
    }  # fmt: skip


def plan(console: Client, **changes: str) -> str:
    """Save it; its page."""
    answer = console.post("/pages/maintenance", form(**changes))
    assert answer.status_code == 302, answer.content.decode()
    return str(answer.headers["Location"])


def test_the_preview_names_the_customers_and_their_notice_and_saves_nothing(
    console: Client, market: SmallMarket
) -> None:
    text = console.post("/pages/maintenance", form(act="preview")).content.decode()
    assert "가온은행" in text
    assert "2026-11-24 13:00 (KST)" in text
    assert "Maintenance at 판교 from 2026-11-24 14:00 (KST) to 2026-11-24 16:00 (KST): 1 of your instances" in text
    assert "펌웨어를 올립니다. Firmware upgrade." in text
    assert 'value="2026-11-24T14:00"' in text
    with as_actor(STAFF):
        assert not MaintenanceWindow.objects.exists()


def test_it_is_saved_with_its_reason_listed_and_told(console: Client, market: SmallMarket) -> None:
    url = plan(console)
    with as_actor(STAFF):
        row = MaintenanceWindow.objects.get()
        assert AuditEntry.objects.get(object_id=row.id).reason == "firmware 2.1"
        assert row.planned_by == "operator@ondol.example"
    assert "Planned" in console.get("/pages/maintenance").content.decode()
    assert "Whom it concerns now" in console.get(url).content.decode()
    maintain(now=NOW)
    with as_actor(STAFF):
        assert Notice.objects.get(code="maintenance.move").facts["notice"] == "펌웨어를 올립니다. Firmware upgrade."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"place": ""}, "Choose one site, cluster or node."),
        ({"place": "node:nod_00000000000000000000000000"}, "Choose one site, cluster or node."),
        ({"starts_at": "2026-11-24T11:00"}, "It cannot begin in the past."),
        ({"ends_at": "2026-11-24T14:00"}, "It ends before it begins."),
        ({"ends_at": "tomorrow"}, "Give an instant such as 2026-12-01T00:00."),
        ({"closes_at": "2026-11-24T15:00"}, "Placing ends no later than the work begins."),
        ({"drain": "explode"}, "Choose what happens to running instances."),
        ({"reason": ""}, "Say why; the audit log keeps it."),
    ],
)
def test_a_refusal_keeps_the_form_and_plans_nothing(
    console: Client, market: SmallMarket, changes: dict[str, str], sentence: str
) -> None:
    answer = console.post("/pages/maintenance", form(**changes))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert "펌웨어를 올립니다." in answer.content.decode()
    with as_actor(STAFF):
        assert not MaintenanceWindow.objects.exists()


def test_it_is_changed_until_it_begins_and_its_notice_follows(
    console: Client, market: SmallMarket, time_machine: Any
) -> None:
    url = plan(console)
    maintain(now=NOW)
    later = form(starts_at="2026-11-24T15:00", ends_at="2026-11-24T16:30", drain="leave", reason="parts are late")
    assert "What the change would do" in console.post(url, {**later, "act": "preview"}).content.decode()
    assert console.post(url, later).status_code == 302
    with as_actor(STAFF):
        entry = AuditEntry.objects.get(action="maintenance.changed")
        assert entry.changes["drain"] == ["move", "leave"]
        assert set(entry.changes) == {"closes_at", "starts_at", "ends_at", "drain"}
    maintain(now=NOW)
    with as_actor(STAFF):
        assert Notice.objects.get(resolved_at__isnull=True).code == "maintenance.leave"
    time_machine.move_to("2026-11-24T06:00:01+00:00", tick=False)
    answer = console.post(url, form(starts_at="2026-11-24T15:10", ends_at="2026-11-24T17:00"))
    assert answer.status_code == 409
    assert "already begun" in answer.content.decode()


def test_two_windows_do_not_overlap_by_a_change(console: Client, market: SmallMarket) -> None:
    plan(console)
    other = plan(console, starts_at="2026-11-24T16:00", ends_at="2026-11-24T17:00")
    refused = console.post(other, form(starts_at="2026-11-24T15:00", ends_at="2026-11-24T17:00"))
    assert refused.status_code == 422
    assert "overlaps" in refused.content.decode()
    assert console.post(other, form(starts_at="2026-11-24T16:00", ends_at="2026-11-24T18:00")).status_code == 302


def test_it_is_called_off_with_its_notices(console: Client, market: SmallMarket) -> None:
    url = plan(console)
    maintain(now=NOW)
    assert "It never counted" in console.get(f"{url}/cancel").content.decode()
    assert console.post(f"{url}/cancel", {"reason": ""}).status_code == 422
    assert console.post(f"{url}/cancel", {"reason": "not needed"}).status_code == 302
    assert console.get(f"{url}/cancel").status_code == 404
    assert "Called off" in console.get(url).content.decode()
    maintain(now=NOW)
    with as_actor(STAFF):
        assert not Notice.objects.filter(resolved_at__isnull=True).exists()


def test_what_runs_is_extended_and_ended_but_not_called_off(
    console: Client, market: SmallMarket, time_machine: Any
) -> None:
    url = plan(console, drain="leave")
    assert console.get(f"{url}/end").status_code == 404
    time_machine.move_to("2026-11-24T05:30:00+00:00", tick=False)
    assert console.get(f"{url}/cancel").status_code == 404
    assert console.post(f"{url}/extend", {"reason": "late", "ends_at": "2026-11-24T15:00"}).status_code == 422
    assert console.post(f"{url}/extend", {"reason": "late", "ends_at": "2026-11-24T18:00"}).status_code == 302
    assert console.post(f"{url}/end", {"reason": "done"}).status_code == 302
    with as_actor(STAFF):
        row = MaintenanceWindow.objects.get()
        assert row.ends_at.isoformat() == "2026-11-24T09:00:00+00:00"
        assert row.ended_at is not None
        actions = set(AuditEntry.objects.filter(object_id=row.id).values_list("action", "reason"))
    assert actions == {
        ("maintenance.planned", "firmware 2.1"),
        ("maintenance.extended", "late"),
        ("maintenance.ended", "done"),
    }


def test_a_node_is_planned_from_its_own_page(console: Client, market: SmallMarket) -> None:
    with as_actor(STAFF):
        public = ids.format_id(prefix="nod", value=Node.objects.get().id)
    assert f'value="node:{public}" selected' in console.get(f"/pages/maintenance?node={public}").content.decode()
    plan(console, place=f"node:{public}")
    with as_actor(STAFF):
        assert MaintenanceWindow.objects.get().node is not None

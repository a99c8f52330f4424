"""Keys of providers' meters and whose word a site's usage is billed by."""

import re

import pytest
from django.test import Client

from marketplace.inventory.models import ProviderKey
from marketplace.inventory.provider_keys import find_prefix_of_provider
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry
from tests.market import STAFF, SmallMarket, build_market

pytestmark = pytest.mark.django_db


@pytest.fixture
def market() -> SmallMarket:
    """One provider with one site."""
    return build_market()


def form_of(market: SmallMarket, **changes: str) -> dict[str, str]:
    """A key for the provider's meter."""
    provider = ids.format_id(prefix="prv", value=market.site.provider_id)
    return {
        "provider": provider,
        "name": "pangyo meter",
        "last_day": "2027-11-30",
        "reason": "letter 2026-114",
        **changes,
    }


def test_a_key_is_shown_once_and_only_its_hash_is_kept(console: Client, market: SmallMarket) -> None:
    """With its last day, its reason and without its text in the audit log."""
    text = console.post("/pages/self-metering/keys", form_of(market)).content.decode()
    found = re.search(r'value="(ondolprv_[0-9a-z_]+)"', text)
    assert found is not None
    with as_actor(STAFF):
        key = ProviderKey.objects.get()
        entry = AuditEntry.objects.get(action="provider_key.issued")
    assert find_prefix_of_provider(found[1]) == key.prefix
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2027-11-30T15:00:00+00:00"
    assert (entry.reason, found[1] in str(entry.changes)) == ("letter 2026-114", False)
    again = console.get("/pages/self-metering").content.decode()
    assert found[1] not in again


@pytest.mark.parametrize(
    ("member", "value", "status"),
    [
        ("name", "", 422), ("last_day", "2026-11-23", 422), ("last_day", "soon", 422), ("reason", "", 422),
        ("provider", "prv_x", 404),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_issued_is_refused(
    console: Client, market: SmallMarket, member: str, value: str, status: int
) -> None:
    """Nothing is kept of it."""
    assert console.post("/pages/self-metering/keys", form_of(market, **{member: value})).status_code == status
    with as_actor(STAFF):
        assert ProviderKey.objects.count() == 0


def test_a_key_is_revoked_once_with_a_reason(console: Client, market: SmallMarket) -> None:
    """The second time changes nothing."""
    console.post("/pages/self-metering/keys", form_of(market))
    with as_actor(STAFF):
        key = ProviderKey.objects.get()
    url = f"/pages/self-metering/keys/{ids.format_id(prefix='pvk', value=key.id)}/revoke"
    assert console.post(url, {"reason": ""}).status_code == 422
    for _ in range(2):
        assert console.post(url, {"reason": "lost"}).status_code == 302
    with as_actor(STAFF):
        key.refresh_from_db()
        assert key.revoked_at is not None
        assert AuditEntry.objects.filter(action="provider_key.revoked", reason="lost").count() == 1
    assert "Revoked" in console.get("/pages/self-metering").content.decode()


def test_a_site_is_set_to_meter_itself_with_a_reason(console: Client, market: SmallMarket) -> None:
    """Audited with before and after."""
    form = {"site": ids.format_id(prefix="sit", value=market.site.id), "metered_by": "site", "reason": "contract 7"}
    assert console.post("/pages/self-metering/sites", {**form, "metered_by": "nobody"}).status_code == 422
    assert console.post("/pages/self-metering/sites", form).status_code == 302
    with as_actor(STAFF):
        market.site.refresh_from_db()
        entry = AuditEntry.objects.get(action="site.metering_set")
    assert market.site.metered_by == "site"
    assert (entry.reason, entry.changes) == ("contract 7", {"metered_by": ["ondol", "site"]})
    assert "The site, by usage events" in console.get("/pages/self-metering").content.decode()

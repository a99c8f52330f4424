"""A provider's meter, for tests: a site that meters itself, its key, and events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from billing.metering.events import REPORTED
from billing.usage_events import Accepted, accept_events
from marketplace.inventory.models import MeteredBy, Provider, Site
from marketplace.inventory.provider_keys import IssuedProviderKey, issue_provider_key, set_metered_by
from marketplace.kernel import ids
from marketplace.kernel.actors import Actor, ActorKind, as_actor
from tests.market import NOW, STAFF


def let_site_meter(site: Site, *, now: datetime = NOW) -> None:
    """Have what the site promises from now on billed by its own word."""
    with as_actor(STAFF):
        set_metered_by(actor=STAFF, site_id=site.id, metered_by=MeteredBy.SITE, reason="agreed", now=now)


def issue_key(provider: Provider | None = None, *, now: datetime = NOW) -> IssuedProviderKey:
    """A key of the provider, by default the only one."""
    with as_actor(STAFF):
        owner = provider or Provider.objects.get()
        return issue_provider_key(actor=STAFF, provider_id=owner.id, name="meter-1", reason="agreed", now=now)


def provider_actor(issued: IssuedProviderKey) -> Actor:
    """Who acts with a key."""
    key = issued.key
    return Actor(kind=ActorKind.PROVIDER, name=f"key {key.prefix}", provider_id=key.provider_id, api_key_id=key.id)


def told(instance_id: UUID, started_at: datetime, ended_at: datetime, *, event_id: str, **data: Any) -> dict[str, Any]:
    """An event that tells two devices; `data` has further members or others."""
    return {
        "specversion": "1.0",
        "type": REPORTED,
        "source": "//site/meter",
        "id": event_id,
        "subject": ids.format_id(prefix="ins", value=instance_id),
        "data": {
            "meter": "device",
            "quantity": 2,
            "started_at": started_at.isoformat(),
            "ended_at": ended_at.isoformat(),
            **data,
        },
    }


def withdrawn(told_id: str, *, event_id: str) -> dict[str, Any]:
    """An event that takes another back."""
    return {
        "specversion": "1.0",
        "type": "ondol.usage.withdrawn.v1",
        "source": "//site/meter",
        "id": event_id,
        "data": {"id": told_id},
    }


def tell(actor: Actor, *events: dict[str, Any], now: datetime) -> Accepted:
    """Send one batch."""
    with as_actor(actor):
        return accept_events(actor=actor, events=list(events), is_batch=True, now=now)

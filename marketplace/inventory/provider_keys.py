"""Self-metering sites: whose word is billed by, and the keys by which providers' meters report; by operators, audited.

A key is shown once, stored as an HMAC, and opens one route: usage events of the provider's own sites.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from marketplace.inventory.models import MeteredBy, Provider, ProviderKey, Site
from marketplace.kernel import key_text
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.crypto import SUITE_HMAC_SHA_256
from marketplace.kernel.errors import NotFound, ValidationFailed

KEY_HEAD: Final = "ondolprv"


class ProviderKeyInvalid(ValidationFailed):
    """A key that cannot be issued: without a name, or with an end in the past."""

    code = "provider_key_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedProviderKey:
    """A new key and its text; the text exists nowhere else and never again."""

    key: ProviderKey
    secret: str


def issue_provider_key(
    *, actor: Actor, provider_id: UUID, name: str, reason: str, now: datetime, expires_at: datetime | None = None
) -> IssuedProviderKey:
    """Issue a key of one provider. Audited, without the text.

    Raises:
        NotFound: Unknown provider.
        ProviderKeyInvalid: See the class.
    """
    if not 1 <= len(name) <= 100:
        raise ProviderKeyInvalid(reason=_("A key has a name of at most 100 characters."), pointer="/name")
    if expires_at is not None and expires_at <= now:
        raise ProviderKeyInvalid(reason=_("The key would already have expired."), pointer="/expires_at")
    if not Provider.objects.filter(id=provider_id).exists():
        raise NotFound(pointer="/provider")
    prefix, text = key_text.new_key_text(head=KEY_HEAD)
    key = ProviderKey.objects.create(
        provider_id=provider_id,
        name=name,
        prefix=prefix,
        hash_suite=SUITE_HMAC_SHA_256,
        secret_hash=key_text.hash_key(text),
        issued_by_id=actor.user_id,
        expires_at=expires_at,
        created_at=now,
    )
    record_act(
        actor=actor, action="provider_key.issued", object_type=ProviderKey.TYPE_PREFIX, object_id=key.id, now=now,
        reason=reason, changes={"prefix": prefix, "provider": str(provider_id)},
    )  # fmt: skip
    return IssuedProviderKey(key=key, secret=text)


def revoke_provider_key(*, actor: Actor, key_id: UUID, reason: str, now: datetime) -> ProviderKey:
    """Revoke a key; effective on the next request. Safe to repeat. Audited.

    Raises:
        NotFound: Unknown.
    """
    key = ProviderKey.objects.select_for_update(no_key=True).filter(id=key_id).first()
    if key is None:
        raise NotFound
    if key.revoked_at is None:
        key.revoked_at = now
        key.save(update_fields=["revoked_at"])
        record_act(
            actor=actor, action="provider_key.revoked", object_type=ProviderKey.TYPE_PREFIX, object_id=key.id, now=now,
            reason=reason,
        )  # fmt: skip
    return key


def list_provider_keys() -> QuerySet[ProviderKey]:
    """Every key, those in use first, for operators."""
    return ProviderKey.objects.select_related("provider", "issued_by").order_by("-revoked_at", "provider__code", "-id")


def find_prefix_of_provider(text: str) -> str | None:
    """The prefix of a well-formed provider's key; None when form or checksum is wrong. Pure."""
    return key_text.find_prefix(text, head=KEY_HEAD)


def set_metered_by(*, actor: Actor, site_id: UUID, metered_by: MeteredBy, reason: str, now: datetime) -> bool:
    """Say whose word is billed by for devices that this site promises from now on; whether that is news. Audited.

    What is promised already keeps what held when it was promised, to its end.

    Raises:
        NotFound: Unknown site.

    Locks the site.
    """
    site = Site.objects.select_for_update(no_key=True).filter(id=site_id).first()
    if site is None:
        raise NotFound(pointer="/site")
    if site.metered_by == metered_by:
        return False
    before, site.metered_by = site.metered_by, metered_by
    site.save(update_fields=["metered_by"])
    record_act(
        actor=actor, action="site.metering_set", object_type=Site.TYPE_PREFIX, object_id=site.id, now=now, reason=reason,
        changes={"metered_by": [before, metered_by.value]},
    )  # fmt: skip
    return True

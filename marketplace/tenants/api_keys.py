"""API keys: their text, and issuing, rotating out and revoking them.

`ondol_<12 characters>_<32 characters><6 characters>`: a prefix that finds the row, 160 random bits, and a CRC-32 so that a mistyped
key is refused without a query. Only an HMAC of the whole text is stored; the text is shown once.
"""

import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.crypto import SUITE_HMAC_SHA_256, keyed_hash
from marketplace.kernel.errors import NotFound, ValidationFailed
from marketplace.tenants.access import require_permission
from marketplace.tenants.models import ApiKey, Project
from marketplace.tenants.permissions import PERMISSIONS

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PREFIX_LENGTH: Final = 12
_SECRET_LENGTH: Final = 32
_CHECKSUM_LENGTH: Final = 6


class ApiKeyInvalid(ValidationFailed):
    """A key that cannot be issued: no scope, an unknown one, or an end in the past."""

    code = "api_key_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key and its text; the text exists nowhere else and never again."""

    api_key: ApiKey
    secret: str


def issue_api_key(
    *,
    actor: Actor,
    project: Project,
    name: str,
    scopes: Iterable[str],
    now: datetime,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Issue a key of one project.

    A customer can give a key no more than they may do themselves.

    Raises:
        Forbidden: The actor may not write API keys.
        ApiKeyInvalid: See the class.
    """
    require_permission(actor=actor, permission="api_keys.write")
    wanted = sorted(set(scopes))
    allowed = actor.permissions or PERMISSIONS
    unknown = [scope for scope in wanted if scope not in PERMISSIONS or scope not in allowed]
    if unknown or not wanted:
        raise ApiKeyInvalid(reason=_("Name at least one scope that you have yourself."), pointer="/scopes")
    if expires_at is not None and expires_at <= now:
        raise ApiKeyInvalid(reason=_("The key would already have expired."), pointer="/expires_at")
    prefix, secret = _random(_PREFIX_LENGTH), _random(_SECRET_LENGTH)
    text = f"ondol_{prefix}_{secret}{_checksum(prefix + secret)}"
    api_key = ApiKey.objects.create(
        tenant_id=project.tenant_id,
        project=project,
        name=name,
        prefix=prefix,
        hash_suite=SUITE_HMAC_SHA_256,
        secret_hash=hash_key(text),
        scopes=wanted,
        created_by_id=actor.user_id,
        expires_at=expires_at,
        created_at=now,
    )
    record_act(
        actor=actor, action="api_key.issued", object_type="key", object_id=api_key.id, tenant_id=project.tenant_id, now=now,
        changes={"prefix": prefix, "scopes": wanted},
    )  # fmt: skip
    return IssuedKey(api_key=api_key, secret=text)


def revoke_api_key(*, actor: Actor, api_key_id: UUID, now: datetime) -> ApiKey:
    """Revoke a key; effective on the next request. Safe to repeat.

    Raises:
        Forbidden: The actor may not write API keys.
        NotFound: Unknown or not the actor's.
    """
    require_permission(actor=actor, permission="api_keys.write")
    rows = ApiKey.objects.select_for_update(no_key=True).filter(id=api_key_id, tenant_id=actor.tenant_scope)
    api_key = rows.first()
    if api_key is None or not actor.sees_project(api_key.project_id):
        raise NotFound
    if api_key.revoked_at is None:
        api_key.revoked_at = now
        api_key.save(update_fields=["revoked_at"])
        record_act(
            actor=actor,
            action="api_key.revoked",
            object_type="key",
            object_id=api_key.id,
            tenant_id=api_key.tenant_id,
            now=now,
        )
    return api_key


def find_prefix(text: str) -> str | None:
    """The prefix of a well-formed key; None when form or checksum is wrong. Pure."""
    head, _, rest = text.partition("_")
    prefix, _, body = rest.partition("_")
    if head != "ondol" or len(prefix) != _PREFIX_LENGTH or len(body) != _SECRET_LENGTH + _CHECKSUM_LENGTH:
        return None
    if not set(prefix + body) <= set(_ALPHABET):
        return None
    secret, checksum = body[:_SECRET_LENGTH], body[_SECRET_LENGTH:]
    return prefix if checksum == _checksum(prefix + secret) else None


def hash_key(text: str) -> bytes:
    """What is stored of a key."""
    return keyed_hash(key=settings.API_KEY_PEPPER, text=text)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(_CHECKSUM_LENGTH))

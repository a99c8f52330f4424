"""API keys of projects: issuing, rotating out and revoking them. Their text: `kernel.key_text`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from marketplace.kernel import key_text
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.crypto import SUITE_HMAC_SHA_256
from marketplace.kernel.errors import NotFound, ValidationFailed
from marketplace.tenants.access import require_permission
from marketplace.tenants.models import ApiKey, Project
from marketplace.tenants.permissions import PERMISSIONS

KEY_HEAD: Final = "ondol"


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
    prefix, text = key_text.new_key_text(head=KEY_HEAD)
    api_key = ApiKey.objects.create(
        tenant_id=project.tenant_id,
        project=project,
        name=name,
        prefix=prefix,
        hash_suite=SUITE_HMAC_SHA_256,
        secret_hash=key_text.hash_key(text),
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
    """The prefix of a well-formed key of a project; None when form or checksum is wrong. Pure."""
    return key_text.find_prefix(text, head=KEY_HEAD)

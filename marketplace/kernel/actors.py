"""Who acts, and the one context manager that opens a transaction for them.

`as_actor` is the only opener of transactions in the product. It sets, for this transaction alone, the database role and the
settings that row-level security reads, so that a pooled connection can never carry one tenant into the next request.
"""

import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus


class ActorKind(StrEnum):
    """What an actor is; decides the database role."""

    ANONYMOUS = "anonymous"
    CUSTOMER = "customer"
    PROVIDER = "provider"
    OPERATOR = "operator"
    SYSTEM = "system"


WEB_ROLE: Final = "ondol_web"
STAFF_ROLE: Final = "ondol_staff"


NOBODY: Final = UUID(int=0)
"""The nil UUID: no row of ours has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person, an API key or a process, with everything that access rules and the audit log need.

    Attributes:
        tenant_id: The one tenant whose rows are visible; None for anonymous, providers, operators and the system.
        provider_id: The one provider whose own rows are visible, for its keys.
        project_ids: Projects the actor is confined to; None means every project of the tenant.
        permissions: Permission names granted by role or by the key's scopes, e.g. `instances.write`.
        name: For the audit log: an e-mail address, a key's prefix or a process name.
    """

    kind: ActorKind
    name: str
    user_id: UUID | None = None
    tenant_id: UUID | None = None
    provider_id: UUID | None = None
    api_key_id: UUID | None = None
    project_ids: frozenset[UUID] | None = None
    permissions: frozenset[str] = field(default_factory=frozenset)
    address: str = ""
    request_id: str = ""

    @property
    def database_role(self) -> str:
        """`ondol_staff` for operators and processes, `ondol_web` for everyone else."""
        return STAFF_ROLE if self.kind in (ActorKind.OPERATOR, ActorKind.SYSTEM) else WEB_ROLE

    @property
    def tenant_scope(self) -> UUID:
        """The tenant for a filter; without one nothing matches (a filter on None would look for IS NULL)."""
        return self.tenant_id or NOBODY

    @property
    def user_scope(self) -> UUID:
        """The user for a filter; without one nothing matches."""
        return self.user_id or NOBODY

    def sees_project(self, project_id: UUID) -> bool:
        """Whether the actor's confinement includes the project; says nothing of the tenant."""
        return self.project_ids is None or project_id in self.project_ids


def system_actor(name: str) -> Actor:
    """The actor for a process or task, e.g. `system_actor("admitter")`."""
    return Actor(kind=ActorKind.SYSTEM, name=name)


ANONYMOUS: Final = Actor(kind=ActorKind.ANONYMOUS, name="anonymous")

_SET: Final = (
    "SELECT set_config('role', %s, true), set_config('ondol.tenant', %s, true), set_config('ondol.user', %s, true),"
    " set_config('ondol.provider', %s, true)"
)


@contextmanager
def as_actor(actor: Actor) -> Iterator[Actor]:
    """Open one transaction in which the database shows what `actor` may see, and nothing else.

    Commits on a clean exit, rolls back on an exception. One round trip sets role, tenant, user and provider, as SET LOCAL would.
    Not reentrant for another actor: inside a transaction of ours a second actor is a programming error.

    Raises:
        RuntimeError: Called within another actor's transaction.
    """
    current: Actor | None = getattr(connection, "ondol_actor", None)
    if current is not None:
        if current != actor:
            message = f"already acting as {current.name}; {actor.name} needs a transaction of its own"
            raise RuntimeError(message)
        with transaction.atomic():
            yield actor
        return
    outer = connection.in_atomic_block
    if not outer:
        forget_dead_connection()
    with transaction.atomic():
        before = _switch(actor) if outer else _begin(actor)
        connection.ondol_actor = actor  # type: ignore[attr-defined]
        try:
            yield actor
        finally:
            connection.ondol_actor = None  # type: ignore[attr-defined]
        if outer:
            _restore(before)


@contextmanager
def savepoint() -> Iterator[None]:
    """A part of the open transaction that can fail on its own, e.g. an insert that may collide.

    Raises:
        RuntimeError: No transaction is open; savepoints never open one.
    """
    if not connection.in_atomic_block:
        message = "a savepoint needs an open transaction (as_actor)"
        raise RuntimeError(message)
    with transaction.atomic():
        yield


def forget_dead_connection(**_signal: object) -> None:
    """Forget a connection whose server has gone since its last use, e.g. over a restart, without a round trip.

    A closed socket is readable; an idle connection has nothing to say. Does nothing within a transaction.
    """
    held = connection.connection
    if held is None or held.closed or connection.in_atomic_block:
        return
    readable, _writable, _errors = select.select([held.fileno()], [], [], 0)
    if readable and not connection.is_usable():
        connection.close()


_BEGIN: Final = (
    "BEGIN;SELECT set_config('role','{role}',true),set_config('ondol.tenant','{tenant}',true),"
    "set_config('ondol.user','{user}',true),set_config('ondol.provider','{provider}',true)"
)


def _begin(actor: Actor) -> tuple[str, str, str, str]:
    """Begin and become the actor in one round trip, which psycopg would make two; every request and task pays for it.

    The values are the name of a role and digits of UUIDs, so nothing in them needs quoting.
    """
    statement = _BEGIN.format(
        role=actor.database_role,
        tenant=actor.tenant_id.hex if actor.tenant_id else "",
        user=actor.user_id.hex if actor.user_id else "",
        provider=actor.provider_id.hex if actor.provider_id else "",
    )
    with connection.wrap_database_errors:
        result = connection.connection.pgconn.exec_(statement.encode())
        if result.status != ExecStatus.TUPLES_OK:
            raise error_from_result(result)
    return "none", "", "", ""


def _switch(actor: Actor) -> tuple[str, str, str, str]:
    """Become the actor within a test's outer transaction: SET LOCAL would outlive the savepoint, so remember what to put back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('role'), coalesce(current_setting('ondol.tenant', true), ''),"
            " coalesce(current_setting('ondol.user', true), ''), coalesce(current_setting('ondol.provider', true), '')"
        )
        before: tuple[str, str, str, str] = cursor.fetchone()
        owners = (actor.tenant_id, actor.user_id, actor.provider_id)
        cursor.execute(_SET, [actor.database_role, *(str(owner or "") for owner in owners)])
    return before


def _restore(before: tuple[str, str, str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SET, list(before))

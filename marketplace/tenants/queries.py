"""Reads of tenants and projects, scoped by actor, and the actor of a signed-in user."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from marketplace.accounts.models import User
from marketplace.kernel.actors import Actor, ActorKind
from marketplace.kernel.errors import NotFound
from marketplace.tenants.models import ApiKey, Membership, Project, Tenant
from marketplace.tenants.permissions import BY_ROLE


def list_projects(*, actor: Actor) -> QuerySet[Project]:
    """The projects the actor may see, by name."""
    rows = Project.objects.filter(tenant_id=actor.tenant_scope).select_related("billing_profile")
    if actor.project_ids is not None:
        rows = rows.filter(id__in=actor.project_ids)
    return rows.order_by("name", "id")


def list_tenants_of_user(*, actor: Actor) -> QuerySet[Tenant]:
    """The tenants the signed-in user belongs to, by name; needs an actor with `user_id` (row-level security shows them)."""
    memberships = Membership.objects.filter(user_id=actor.user_scope)
    return Tenant.objects.filter(id__in=memberships.values("tenant_id")).order_by("name", "id")


def signed_in_actor(*, user: User, address: str, request_id: str) -> Actor:
    """The actor of a session before a tenant is chosen: it sees the user's own memberships and nothing else."""
    return Actor(kind=ActorKind.CUSTOMER, name=user.email, user_id=user.id, address=address, request_id=request_id)


def find_member_actor(*, user: User, tenant_id: UUID, address: str, request_id: str) -> Actor | None:
    """The actor for a user within one tenant, with the permissions of the roles they hold now; None for a stranger.

    Read at every request, so that a removed role is gone on the next one. Requires an open transaction of
    `signed_in_actor(user)`.
    """
    memberships = list(Membership.objects.filter(user_id=user.id, tenant_id=tenant_id))
    if not memberships:
        return None
    permissions: frozenset[str] = frozenset().union(*(BY_ROLE[membership.role] for membership in memberships))
    is_everywhere = any(membership.project_id is None for membership in memberships)
    projects = frozenset(membership.project_id for membership in memberships if membership.project_id is not None)
    return Actor(
        kind=ActorKind.CUSTOMER,
        name=user.email,
        user_id=user.id,
        tenant_id=tenant_id,
        project_ids=None if is_everywhere else projects,
        permissions=permissions,
        address=address,
        request_id=request_id,
    )


PEOPLE_MAX: Final = 5
"""So many names are told; more would be a directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody of the organization to turn to."""

    name: str
    email: str
    role: str


def list_people_who_may(*, actor: Actor, permission: str) -> tuple[Person, ...]:
    """Members of the actor's organization whose role for all of it has a permission, by name; at most five."""
    roles = [role for role, permissions in BY_ROLE.items() if permission in permissions]
    rows = Membership.objects.filter(
        tenant_id=actor.tenant_scope, role__in=roles, project_id__isnull=True, user__is_active=True
    ).order_by("user__name", "user__email")
    return tuple(
        Person(name=name, email=email, role=role)
        for name, email, role in rows.values_list("user__name", "user__email", "role")[:PEOPLE_MAX]
    )


def list_api_keys(*, actor: Actor) -> QuerySet[ApiKey]:
    """The API keys of the projects the actor may see, newest first; without secrets, which exist nowhere."""
    rows = ApiKey.objects.filter(tenant_id=actor.tenant_scope)
    if actor.project_ids is not None:
        rows = rows.filter(project_id__in=actor.project_ids)
    return rows.order_by("-id")


def list_projects_of_class(*, data_class: str) -> QuerySet[Project]:
    """Every tenant's projects that hold a data class, with their tenants; for operators."""
    rows = Project.objects.filter(data_classes__contains=[data_class]).select_related("tenant")
    return rows.order_by("tenant__name", "name")


def get_tenant_for_operator(*, tenant_id: UUID) -> Tenant:
    """Any tenant. For staff.

    Raises:
        NotFound: Unknown.
    """
    tenant = Tenant.objects.filter(id=tenant_id).first()
    if tenant is None:
        raise NotFound
    return tenant


def list_names(*, tenant_ids: Iterable[UUID], target_ids: Iterable[UUID]) -> Mapping[UUID, str]:
    """Names of tenants, and of those of their projects and members that are named. For staff; three queries."""
    tenants, targets = list(tenant_ids), list(target_ids)
    members = Membership.objects.filter(tenant_id__in=tenants, user_id__in=targets)
    return {
        **dict(Tenant.objects.filter(id__in=tenants).values_list("id", "name")),
        **dict(Project.objects.filter(tenant_id__in=tenants, id__in=targets).values_list("id", "name")),
        **dict(members.values_list("user_id", "user__email")),
    }


def list_names_in_tenant(*, tenant_id: UUID) -> Sequence[tuple[str, UUID, str]]:
    """(kind, id, name) of a tenant's projects and then members, by name. For staff."""
    projects = Project.objects.filter(tenant_id=tenant_id).order_by("name").values_list("id", "name")
    members = (
        Membership.objects.filter(tenant_id=tenant_id).order_by("user__email").values_list("user_id", "user__email")
    )
    return [
        *(("project", project_id, name) for project_id, name in projects),
        *(("member", user_id, email) for user_id, email in dict(members).items()),
    ]

"""Access checks that every journey calls first."""

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from marketplace.kernel.actors import Actor, ActorKind
from marketplace.kernel.errors import Forbidden, NotFound, OndolError
from marketplace.tenants.models import Project, Tenant, TenantStatus


class TenantSuspended(OndolError):
    """The organization may read but start nothing new."""

    code = "tenant_suspended"
    http_status = 403
    title = _("The organization is suspended: %(reason)s")
    remedy = _("Running instances and data stay readable. Contact the operator to lift the suspension.")


def require_permission(*, actor: Actor, permission: str) -> None:
    """Let the actor pass, or refuse.

    Raises:
        Forbidden: The actor's role or key has no such permission.
    """
    if actor.kind is ActorKind.CUSTOMER and permission not in actor.permissions:
        raise Forbidden(details={"permission": permission})


def get_project(*, actor: Actor, project_id: UUID) -> Project:
    """A project that the actor may see, with its tenant and payer.

    Raises:
        NotFound: Unknown, another tenant's, or outside the actor's confinement; the three are not told apart.
    """
    project = (
        Project.objects.select_related("tenant", "billing_profile")
        .filter(id=project_id, tenant_id=actor.tenant_scope)
        .first()
    )
    if project is None or not actor.sees_project(project.id):
        raise NotFound(pointer="/project")
    return project


def require_good_standing(*, tenant: Tenant) -> None:
    """Refuse anything that starts something for a tenant that is not active.

    Raises:
        TenantSuspended: With the reason the operator gave.
    """
    if tenant.status != TenantStatus.ACTIVE:
        raise TenantSuspended(facts={"reason": tenant.status_reason or TenantStatus(tenant.status).label})

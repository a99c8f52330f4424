"""Reads of quotas for faces, scoped by actor."""

from django.db.models import QuerySet

from marketplace.kernel.actors import Actor
from marketplace.quotas.models import Quota


def list_quotas(*, actor: Actor) -> QuerySet[Quota]:
    """The limits of the actor's tenant with their use, tenant first, then projects; empty for an actor without a tenant."""
    return Quota.objects.filter(tenant_id=actor.tenant_scope).order_by("-scope_kind", "selector_kind", "selector", "id")

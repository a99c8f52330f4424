"""Change what may be changed of an instance: its name and its protection."""

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from marketplace.instances.models import Instance
from marketplace.instances.operations import change_instance, lock_instance
from marketplace.instances.queries import get_instance
from marketplace.journeys.rent import NAME
from marketplace.kernel.actors import Actor
from marketplace.kernel.errors import NotFound, OndolError, ValidationFailed
from marketplace.tenants.access import require_permission


class RevisionMismatch(OndolError):
    """Somebody else changed it since the caller looked."""

    code = "revision_mismatch"
    http_status = 412
    title = _("The instance was changed since you read it.")
    remedy = _("Read it again and repeat the change with the new ETag.")


def change(
    *,
    actor: Actor,
    instance_id: UUID,
    name: str | None,
    is_deletion_protected: bool | None,
    if_revision: int | None,
    now: datetime,
) -> Instance:
    """Rename or protect an instance; safe to repeat.

    Raises:
        NotFound, Forbidden: As everywhere.
        ValidationFailed: The name cannot be one.
        RevisionMismatch: `if_revision` is not the present revision.

    Locks the instance.
    """
    require_permission(actor=actor, permission="instances.write")
    get_instance(actor=actor, instance_id=instance_id)
    if name is not None and not NAME.fullmatch(name):
        raise ValidationFailed(
            reason=_("A name has 1 to 63 lower-case letters, digits and inner hyphens."), pointer="/name"
        )
    instance = lock_instance(instance_id=instance_id)
    if instance is None:
        raise NotFound
    if if_revision is not None and if_revision != instance.revision:
        raise RevisionMismatch
    return change_instance(
        actor=actor, instance=instance, name=name, is_deletion_protected=is_deletion_protected, now=now
    )

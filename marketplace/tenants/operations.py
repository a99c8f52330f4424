"""Writes of tenants, billing profiles, projects and memberships; audited."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import ValidationFailed
from marketplace.sovereignty.models import DataClass
from marketplace.tenants.business_number import is_valid_business_number
from marketplace.tenants.models import BillingProfile, Membership, Project, Role, Sector, Tenant, TenantStatus
from marketplace.tenants.models.billing_profile import Rounding

_SLUG: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?")


class BusinessNumberInvalid(ValidationFailed):
    """The check digit is wrong: nobody could be billed under it."""

    code = "business_number_invalid"


class ProjectInvalid(ValidationFailed):
    """A project whose name, data class or payer cannot be used."""

    code = "project_invalid"


def approve_tenant(*, actor: Actor, name: str, sector: Sector, now: datetime) -> Tenant:
    """Let an organization in. By operators."""
    tenant = Tenant.objects.create(name=name, sector=sector, created_at=now)
    record_act(
        actor=actor, action="tenant.approved", object_type="ten", object_id=tenant.id, tenant_id=tenant.id, now=now
    )
    return tenant


def set_standing(*, actor: Actor, tenant_id: UUID, status: TenantStatus, reason: str, now: datetime) -> Tenant:
    """Suspend, close or reactivate a tenant; running instances are left alone, nothing new starts. Safe to repeat.

    Locks the tenant row.
    """
    tenant = Tenant.objects.select_for_update(no_key=True).get(id=tenant_id)
    before = tenant.status
    tenant.status, tenant.status_reason = status, reason
    tenant.save(update_fields=["status", "status_reason"])
    record_act(
        actor=actor, action=f"tenant.{status}", object_type="ten", object_id=tenant.id, tenant_id=tenant.id, reason=reason,
        now=now, changes={"status": [before, str(status)]},
    )  # fmt: skip
    return tenant


def add_billing_profile(
    *,
    actor: Actor,
    tenant_id: UUID,
    name: str,
    company_name: str,
    business_number: str,
    now: datetime,
    rounding: Rounding = Rounding.WON,
    **details: str,
) -> BillingProfile:
    """Add a payer (청구처).

    Args:
        business_number: With or without hyphens.
        details: place_number, representative, address, department, email.

    Raises:
        BusinessNumberInvalid: Not ten digits, or the check digit is wrong.
    """
    digits = business_number.replace("-", "")
    if not is_valid_business_number(digits):
        raise BusinessNumberInvalid(reason=_("The business number's check digit is wrong."), pointer="/business_number")
    profile = BillingProfile.objects.create(
        tenant_id=tenant_id, name=name, company_name=company_name, business_number=digits, rounding=rounding, **details
    )
    record_act(
        actor=actor,
        action="billing_profile.added",
        object_type="bil",
        object_id=profile.id,
        tenant_id=tenant_id,
        now=now,
    )
    return profile


def create_project(
    *,
    actor: Actor,
    tenant_id: UUID,
    name: str,
    slug: str,
    data_classes: Sequence[str],
    billing_profile_id: UUID,
    now: datetime,
    cost_centre: str = "",
) -> Project:
    """Create a project with its data classes and payer.

    Raises:
        ProjectInvalid: A malformed or taken slug, no data class, an unknown one, or a payer that is not the tenant's.
    """
    if not _SLUG.fullmatch(slug) or Project.objects.filter(tenant_id=tenant_id, slug=slug).exists():
        raise ProjectInvalid(reason=_("The short name is malformed or taken."), pointer="/slug")
    known = set(DataClass.objects.filter(code__in=data_classes).values_list("code", flat=True))
    unknown = [code for code in data_classes if code not in known]
    if unknown or not data_classes:
        raise ProjectInvalid(reason=_("Name at least one data class of the catalogue."), pointer="/data_classes")
    if not BillingProfile.objects.filter(id=billing_profile_id, tenant_id=tenant_id).exists():
        raise ProjectInvalid(reason=_("Choose a billing profile of the organization."), pointer="/billing_profile")
    project = Project.objects.create(
        tenant_id=tenant_id,
        name=name,
        slug=slug,
        data_classes=sorted(data_classes),
        cost_centre=cost_centre,
        billing_profile_id=billing_profile_id,
        created_at=now,
    )
    changes: dict[str, Any] = {"data_classes": [None, sorted(data_classes)]}
    record_act(
        actor=actor, action="project.created", object_type="prj", object_id=project.id, tenant_id=tenant_id, now=now,
        changes=changes,
    )  # fmt: skip
    return project


def add_member(
    *, actor: Actor, tenant_id: UUID, user_id: UUID, role: Role, now: datetime, project_id: UUID | None = None
) -> Membership:
    """Give a user a role in the tenant, or in one project. Safe to repeat: the role is replaced."""
    membership, _created = Membership.objects.update_or_create(
        tenant_id=tenant_id,
        user_id=user_id,
        project_id=project_id,  # type: ignore[misc]  # None is the whole tenant, and is looked for as such
        defaults={"role": role},
    )
    record_act(
        actor=actor, action="member.added", object_type="mem", object_id=membership.id, tenant_id=tenant_id, now=now,
        changes={"role": [None, str(role)]},
    )  # fmt: skip
    return membership

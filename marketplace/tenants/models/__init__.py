"""Tenant tables."""

from marketplace.tenants.models.api_key import ApiKey
from marketplace.tenants.models.billing_profile import BillingProfile
from marketplace.tenants.models.membership import Membership, Role
from marketplace.tenants.models.project import Project
from marketplace.tenants.models.tenant import Sector, Tenant, TenantStatus

__all__ = ["ApiKey", "BillingProfile", "Membership", "Project", "Role", "Sector", "Tenant", "TenantStatus"]

"""What each role may do. Pure: names of permissions by role; an API key's scopes are names from the same list."""

from collections.abc import Mapping
from typing import Final

from marketplace.tenants.models.membership import Role

PERMISSIONS: Final = frozenset(
    {
        "offers.read",
        "projects.read",
        "projects.write",
        "instances.read",
        "instances.write",
        "quotas.read",
        "quotas.write",
        "quota_requests.write",
        "invoices.read",
        "usage.read",
        "credit.read",
        "budgets.read",
        "budgets.write",
        "api_keys.read",
        "api_keys.write",
        "members.read",
        "members.write",
        "assurance.read",
        "assurance.write",
        "audit.read",
    }
)
_READS: Final = frozenset(
    {
        "offers.read",
        "projects.read",
        "instances.read",
        "quotas.read",
        "usage.read",
        "assurance.read",
        "credit.read",
        "budgets.read",
    }
)

BY_ROLE: Final[Mapping[str, frozenset[str]]] = {
    Role.OWNER: PERMISSIONS,
    Role.ADMINISTRATOR: PERMISSIONS,
    Role.DEVELOPER: _READS | {"instances.write", "api_keys.read", "api_keys.write"},
    Role.FINANCE: _READS | {"invoices.read", "budgets.write"},
    Role.AUDITOR: _READS | {"invoices.read", "members.read", "api_keys.read", "audit.read"},
    Role.VIEWER: _READS,
}

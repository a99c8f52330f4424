"""For whom? Tenants, billing profiles, projects, memberships, API keys and access rules."""

"""Registers the app."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """The tenants app."""

    name = "marketplace.tenants"
    label = "tenants"
    default_auto_field = "django.db.models.BigAutoField"

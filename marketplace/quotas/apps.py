"""Registers the app."""

from django.apps import AppConfig


class QuotasConfig(AppConfig):
    """The quotas app."""

    name = "marketplace.quotas"
    label = "quotas"
    default_auto_field = "django.db.models.BigAutoField"

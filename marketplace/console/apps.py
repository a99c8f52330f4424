"""Registers the app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The operator's pages."""

    name = "marketplace.console"
    label = "console"
    default_auto_field = "django.db.models.BigAutoField"

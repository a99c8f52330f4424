"""Registers the app."""

from django.apps import AppConfig


class SovereigntyConfig(AppConfig):
    """The sovereignty app."""

    name = "marketplace.sovereignty"
    label = "sovereignty"
    default_auto_field = "django.db.models.BigAutoField"

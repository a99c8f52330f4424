"""Registers the app."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The portal app."""

    name = "marketplace.portal"
    label = "portal"
    default_auto_field = "django.db.models.BigAutoField"

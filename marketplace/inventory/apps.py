"""Registers the app."""

from django.apps import AppConfig


class InventoryConfig(AppConfig):
    """The inventory app."""

    name = "marketplace.inventory"
    label = "inventory"
    default_auto_field = "django.db.models.BigAutoField"

"""Registers the app."""

from django.apps import AppConfig


class KernelConfig(AppConfig):
    """The kernel app."""

    name = "marketplace.kernel"
    label = "kernel"
    default_auto_field = "django.db.models.BigAutoField"

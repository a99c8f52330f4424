"""Registers the app."""

from django.apps import AppConfig


class InstancesConfig(AppConfig):
    """The instances app."""

    name = "marketplace.instances"
    label = "instances"
    default_auto_field = "django.db.models.BigAutoField"

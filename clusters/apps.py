"""Registers the app."""

from django.apps import AppConfig


class ClustersConfig(AppConfig):
    """The clusters app."""

    name = "clusters"
    label = "clusters"
    default_auto_field = "django.db.models.BigAutoField"

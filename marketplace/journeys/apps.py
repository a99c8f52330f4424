"""Registers the app."""

from django.apps import AppConfig


class JourneysConfig(AppConfig):
    """The journeys app."""

    name = "marketplace.journeys"
    label = "journeys"
    default_auto_field = "django.db.models.BigAutoField"

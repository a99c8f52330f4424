"""Registers the app."""

from django.apps import AppConfig
from django.core.signals import request_started


class KernelConfig(AppConfig):
    """The kernel app."""

    name = "marketplace.kernel"
    label = "kernel"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have each request begin with a live connection."""
        from marketplace.kernel.actors import forget_dead_connection  # noqa: PLC0415 - models must be loaded first

        request_started.connect(forget_dead_connection, dispatch_uid="forget_dead_connection")

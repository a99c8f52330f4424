"""Starts logging and binds hints once all apps are loaded."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """The project itself, loaded last."""

    name = "marketplace.config"
    label = "config"

    def ready(self) -> None:
        """Configure logs and bind the hints of `wiring`."""
        from django.conf import settings  # noqa: PLC0415 - only once the apps are loaded

        from marketplace.config import logs, wiring  # noqa: PLC0415 - only once the apps are loaded

        logs.configure_logs(log_format=settings.ENVIRONMENT.log_format, level=settings.ENVIRONMENT.log_level)
        wiring.bind_hints()

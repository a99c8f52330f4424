"""The Django project: settings, URLs, Celery, the schedule and the wiring of hints."""

from marketplace.config.celery import app as celery_app

__all__ = ["celery_app"]

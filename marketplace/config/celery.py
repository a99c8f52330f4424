"""The Celery application; its settings stand in settings/base.py under CELERY_, its timers in schedule.py."""

import os

from celery import Celery
from celery.signals import worker_process_init

from marketplace.kernel.garbage import settle_memory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.config.settings.local")

app = Celery("ondol")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _settle_child(**_signal: object) -> None:
    settle_memory()

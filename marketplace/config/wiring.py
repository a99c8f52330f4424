"""Which hint wakes what. The only place where a Celery task is sent or the admitter is woken."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import redis
from celery import current_app
from django.conf import settings

from marketplace.kernel import hints, wakeups

ROWS_PER_TASK_MAX: Final = 8
"""A task costs about ten times what sending one more row in it does; more rows than this would keep other workers idle."""


def _send_tasks(task: str, queue: str, row_ids: Sequence[str]) -> None:
    """A task for each few rows."""
    for start in range(0, len(row_ids), ROWS_PER_TASK_MAX):
        batch = list(row_ids[start : start + ROWS_PER_TASK_MAX])
        current_app.send_task(task, args=[batch], queue=queue, retry=False)


def _send_task(task: str, queue: str, row_ids: Sequence[str]) -> None:
    """A task for each row."""
    for row_id in row_ids:
        current_app.send_task(task, args=[row_id], queue=queue, retry=False)


def bind_hints() -> None:
    """Bind every hint by name; called once at start-up."""
    publisher = redis.Redis.from_url(settings.BROKER_URL, socket_timeout=0.5, socket_connect_timeout=0.5)

    def wake_admitter(_row_ids: Sequence[str]) -> None:
        publisher.publish(wakeups.channel(installation_id=settings.INSTALLATION_ID, name="admitter"), b"1")

    hints.bind("instance.queued", wake_admitter)
    hints.bind("stock.freed", wake_admitter)
    hints.bind("instance.due", partial(_send_tasks, "clusters.reconcile_instances", "provision"))
    hints.bind("outage.changed", partial(_send_task, "billing.apply_outage", "billing"))
    hints.bind("usage.told", partial(_send_task, "billing.apply_usage_events", "billing"))
    hints.bind("instance.moved", partial(_send_tasks, "billing.meter_instances", "billing"))
    hints.bind("node.suspect", partial(_send_task, "inventory.judge_nodes", "default"))
    hints.bind("spending.changed", partial(_send_task, "billing.watch_tenant", "billing"))

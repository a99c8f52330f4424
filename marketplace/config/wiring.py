"""Which hint wakes what. The only place where a Celery task is sent or the admitter is woken."""

import redis
from celery import current_app
from django.conf import settings

from marketplace.kernel import hints, wakeups


def _send_task(task: str, queue: str, row_id: str) -> None:
    current_app.send_task(task, args=[row_id], queue=queue, retry=False)


def bind_hints() -> None:
    """Bind every hint by name; called once at start-up."""
    publisher = redis.Redis.from_url(settings.BROKER_URL, socket_timeout=0.5, socket_connect_timeout=0.5)

    def wake_admitter(_row_id: str) -> None:
        publisher.publish(wakeups.channel(installation_id=settings.INSTALLATION_ID, name="admitter"), b"1")

    hints.bind("instance.queued", wake_admitter)
    hints.bind("stock.freed", wake_admitter)
    hints.bind("instance.due", lambda row_id: _send_task("clusters.reconcile_instance", "provision", row_id))
    hints.bind("outage.changed", lambda row_id: _send_task("billing.apply_outage", "billing", row_id))
    hints.bind("instance.moved", lambda row_id: _send_task("billing.meter_instance", "billing", row_id))
    hints.bind("node.suspect", lambda row_id: _send_task("inventory.judge_nodes", "default", row_id))
    hints.bind("spending.changed", lambda row_id: _send_task("billing.watch_tenant", "billing", row_id))

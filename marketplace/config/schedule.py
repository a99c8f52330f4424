"""Every periodic task on one page. Each is a sweep that may run twice at once, so two beats are harmless."""

from typing import Any, Final

from celery.schedules import crontab

SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "worker-canary": {"task": "config.finish_canary", "schedule": 10.0, "options": {"expires": 10}},
    "reconcile-due": {"task": "clusters.reconcile_due", "schedule": 2.0, "options": {"expires": 2}},
    "expire-instances": {"task": "instances.expire_due", "schedule": 5.0, "options": {"expires": 5}},
    "run-schedules": {"task": "journeys.run_schedules", "schedule": 30.0, "options": {"expires": 30}},
    "watch-assurance": {"task": "journeys.watch_assurance", "schedule": 600.0, "options": {"expires": 600}},
    "judge-nodes": {"task": "inventory.judge_nodes", "schedule": 10.0, "options": {"expires": 10}},
    "maintain": {"task": "journeys.maintain", "schedule": 5.0, "options": {"expires": 5}},
    "look-ahead": {"task": "journeys.look_ahead", "schedule": 5.0, "options": {"expires": 5}},
    "meter-due": {"task": "billing.meter_due", "schedule": 10.0, "options": {"expires": 10}},
    "check-quotas": {"task": "quotas.check", "schedule": crontab(hour=18, minute=30)},
    "remind-of-quota-ends": {"task": "quotas.remind_of_ends", "schedule": 3_600.0, "options": {"expires": 3_600}},
    "apply-quota-periods": {"task": "quotas.apply_due_periods", "schedule": 60.0, "options": {"expires": 60}},
    "fold-balances": {"task": "billing.fold_balances", "schedule": 60.0, "options": {"expires": 60}},
    "account-agreements": {"task": "billing.account_agreements", "schedule": 900.0, "options": {"expires": 900}},
    "watch-spending": {"task": "billing.watch_due", "schedule": 5.0, "options": {"expires": 5}},
    "settle-credit": {"task": "billing.settle_credit", "schedule": 300.0, "options": {"expires": 300}},
    "check-ledger": {"task": "billing.check_ledger", "schedule": crontab(hour=18, minute=0)},
    "forget-idempotency": {"task": "kernel.forget_expired", "schedule": 3_600.0},
}
"""`expires`: a beat that outran its workers must not pile up sweeps that would find nothing.

What runs nightly has an hour (UTC; three in the morning in Seoul) and no interval, which would begin anew whenever beat restarts.
"""

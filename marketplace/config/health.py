"""`/healthz`: the process serves. `/readyz`: database, broker and a worker truly work."""

import redis
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from marketplace.config import canary


def healthz(_request: HttpRequest) -> JsonResponse:
    """Always 200 while the process can answer; looks at nothing else, so that a broken database does not restart it."""
    return JsonResponse({"status": "ok"})


def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when the database answers, the broker answers and a canary task finished in the last minute; else 503 naming what fails.

    Requests are still served without workers, so `degraded` lists the broker and workers apart from the database.
    """
    checks = {"database": _check_database(), **_check_workers()}
    healthy = all(value == "ok" for value in checks.values())
    return JsonResponse({"status": "ok" if healthy else "failed", "checks": checks}, status=200 if healthy else 503)


def _check_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "no answer"
    return "ok"


def _check_workers() -> dict[str, str]:
    try:
        age_s = canary.read_age_s()
    except redis.RedisError:
        return {"broker": "no answer", "worker": "unknown"}
    if age_s is None:
        return {"broker": "ok", "worker": "no task finished yet"}
    return {"broker": "ok", "worker": "ok" if age_s <= canary.CANARY_AGE_S_MAX else f"last task finished {age_s} s ago"}

"""When a worker last finished a task, kept in the broker: liveness is work done, not a process that exists."""

import redis
from django.conf import settings

from marketplace.kernel import clock

CANARY_AGE_S_MAX = 60
"""Older than this and readiness fails: workers may be up yet consume nothing (seen after broker resets)."""


def _client() -> "redis.Redis":
    return redis.Redis.from_url(settings.BROKER_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


def _key() -> str:
    return f"ondol:{settings.INSTALLATION_ID}:canary"


def mark_finished() -> None:
    """Remember the current instant as the last finished canary."""
    _client().set(_key(), int(clock.now().timestamp()))


def read_age_s() -> int | None:
    """Seconds since a canary finished; None when none ever has.

    Raises:
        redis.RedisError: The broker does not answer.
    """
    value = _client().get(_key())
    return None if value is None else int(clock.now().timestamp()) - int(value)

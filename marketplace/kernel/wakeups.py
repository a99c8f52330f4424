"""Waking a waiting process through the broker; without the broker it wakes by its own interval."""

from types import TracebackType
from typing import Self
from uuid import UUID

import redis
import structlog

from marketplace.kernel import clock

log = structlog.get_logger(__name__)


def channel(*, installation_id: UUID, name: str) -> str:
    """The broker channel that wakes the named process of one installation."""
    return f"ondol:{installation_id}:wake:{name}"


class WakeupListener:
    """Waits for a wake-up or an interval, whichever comes first; survives a broker that is down.

    Use as a context manager in the process's own thread; not thread-safe.
    """

    def __init__(self, *, broker_url: str, channel_name: str) -> None:
        """Remember where to listen; connects at the first wait."""
        self._client = redis.Redis.from_url(broker_url, socket_timeout=2.0, socket_connect_timeout=0.5)
        self._channel = channel_name
        self._subscription: redis.client.PubSub | None = None

    def __enter__(self) -> Self:
        """Nothing to do until the first wait."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the subscription."""
        self._drop()

    def wait(self, *, interval_s: float) -> bool:
        """True when woken, False when the interval passed or the broker is down (then it still waits the interval)."""
        try:
            if self._subscription is None:
                self._subscription = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                self._subscription.subscribe(self._channel)
            message = self._subscription.get_message(timeout=interval_s)
            while message is not None and self._subscription.get_message(timeout=0) is not None:
                pass  # several wake-ups are one
        except (redis.RedisError, OSError) as error:
            log.warning("wakeup_unavailable", channel=self._channel, error=type(error).__name__)
            self._drop()
            clock.pause(seconds=interval_s)
            return False
        return message is not None

    def _drop(self) -> None:
        if self._subscription is not None:
            try:
                self._subscription.close()
            except (redis.RedisError, OSError):
                log.debug("wakeup_close_failed")
            self._subscription = None

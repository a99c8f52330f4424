"""Signing in: throttled per account and per address, telling nobody whether an address is known."""

import hashlib
from typing import Final

import redis
import structlog
from django.conf import settings
from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from marketplace.accounts.models import User
from marketplace.kernel.errors import OndolError

log = structlog.get_logger(__name__)

ATTEMPTS_PER_ACCOUNT_MAX: Final = 10
ATTEMPTS_PER_ADDRESS_MAX: Final = 50
WINDOW_S: Final = 900


class SignInRefused(OndolError):
    """Wrong address or password; the two are not told apart."""

    code = "sign_in_refused"
    http_status = 401
    title = _("The e-mail address or the password is wrong.")
    remedy = _("Check both and try again. After ten failures the account waits for 15 minutes.")


class SignInThrottled(OndolError):
    """Too many failures for this account or from this address."""

    code = "sign_in_throttled"
    http_status = 429
    retryable = True
    title = _("Too many failed attempts to sign in.")
    remedy = _("Wait 15 minutes and try again.")


def check_credentials(*, request: HttpRequest, email: str, password: str) -> User:
    """The user behind an address and a password.

    Raises:
        SignInThrottled: Before the password is looked at.
        SignInRefused: Anything else; the time taken does not tell whether the address is known (a hash is computed either way).
    """
    address = request.META.get("REMOTE_ADDR", "")
    counters = (
        (_key("account", email.lower()), ATTEMPTS_PER_ACCOUNT_MAX),
        (_key("address", address), ATTEMPTS_PER_ADDRESS_MAX),
    )
    if any(_read(key) >= most for key, most in counters):
        raise SignInThrottled
    user = authenticate(request, username=email, password=password)
    if not isinstance(user, User):
        for key, _most in counters:
            _count(key)
        raise SignInRefused
    return user


def _key(kind: str, text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"ondol:{settings.INSTALLATION_ID}:sign-in:{kind}:{digest}"


def _broker() -> "redis.Redis":
    return redis.Redis.from_url(settings.BROKER_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


def _read(key: str) -> int:
    try:
        return int(_broker().get(key) or 0)
    except redis.RedisError:
        # Without the broker nobody is locked out; the password hash itself costs an attacker half a second per attempt.
        log.warning("sign_in_counter_unavailable")
        return 0


def _count(key: str) -> None:
    try:
        with _broker().pipeline() as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, WINDOW_S)
            pipeline.execute()
    except redis.RedisError:
        log.warning("sign_in_counter_unavailable")

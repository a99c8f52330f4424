"""The first answer to a write, stored with its effect and replayed for the same key.

The record is written in the transaction of the effect, so an answer exists exactly when its effect does. A second request with the
same key waits on an advisory lock until the first commits or fails, then finds the answer or may act itself.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import OperationalError, connection
from django.utils.translation import gettext_lazy as _

from marketplace.kernel.errors import OndolError, ValidationFailed
from marketplace.kernel.models import IdempotencyRecord

KEPT_FOR: Final = timedelta(hours=48)
KEY_CHARACTERS_MAX: Final = 255
WAIT: Final = "5s"


class IdempotencyMismatch(OndolError):
    """The key was used for another request."""

    code = "idempotency_mismatch"
    http_status = 422
    title = _("This Idempotency-Key was used for a different request.")
    remedy = _("Use a fresh key for a new request; repeat a request with exactly the same body.")


class IdempotencyBusy(OndolError):
    """The first request with the key has not finished."""

    code = "idempotency_busy"
    http_status = 409
    retryable = True
    title = _("A request with this Idempotency-Key is still being processed.")
    remedy = _("Send the same request again in a few seconds.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A stored or fresh answer."""

    status: int
    body: Any
    headers: Mapping[str, str]


def check_key(key: str) -> str:
    """The key, if it can be one.

    Raises:
        ValidationFailed: Empty, longer than 255 characters, or not printable ASCII.
    """
    if not 1 <= len(key) <= KEY_CHARACTERS_MAX or not key.isascii() or not key.isprintable():
        raise ValidationFailed(reason=_("An Idempotency-Key has 1 to 255 printable ASCII characters."))
    return key


def hash_request(*, method: str, path: str, body: bytes) -> bytes:
    """What makes two requests the same."""
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), body))).digest()


def find_answer(*, tenant_id: UUID, key: str, request_hash: bytes) -> Answer | None:
    """Take the key for this transaction; the stored answer, or None when the caller may act.

    Raises:
        IdempotencyMismatch: The key stands for another request.
        IdempotencyBusy: Another request held the key for 5 s.

    Locks the key until the open transaction ends.
    """
    number = int.from_bytes(hashlib.sha256(f"{tenant_id}|{key}".encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT set_config('lock_timeout', %s, true), pg_advisory_xact_lock(%s)", [WAIT, number])
        except OperationalError as error:
            raise IdempotencyBusy from error
    record = IdempotencyRecord.objects.filter(tenant_id=tenant_id, key=key).first()
    if record is None:
        return None
    if bytes(record.request_hash) != request_hash:
        raise IdempotencyMismatch
    return Answer(status=record.status, body=record.body, headers=record.headers)


def store_answer(*, tenant_id: UUID, key: str, request_hash: bytes, answer: Answer, now: datetime) -> None:
    """Store the answer in the transaction of its effect; secrets must have been taken out by the caller."""
    IdempotencyRecord.objects.create(
        tenant_id=tenant_id,
        key=key,
        request_hash=request_hash,
        status=answer.status,
        body=answer.body,
        headers=dict(answer.headers),
        expires_at=now + KEPT_FOR,
    )


def forget_expired(*, now: datetime) -> int:
    """Delete records past their time; how many. Safe to repeat."""
    deleted, _rows = IdempotencyRecord.objects.filter(expires_at__lt=now).delete()
    return deleted

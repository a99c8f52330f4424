"""Leases with fencing tokens: one active admitter, one active watcher."""

from datetime import datetime, timedelta

from django.db import connection

_TAKE = """
INSERT INTO kernel_lease AS l (name, holder, fencing_token, expires_at) VALUES (%(name)s, %(holder)s, 1, %(until)s)
ON CONFLICT (name) DO UPDATE SET
    holder = EXCLUDED.holder,
    expires_at = EXCLUDED.expires_at,
    fencing_token = CASE WHEN l.holder = EXCLUDED.holder THEN l.fencing_token ELSE l.fencing_token + 1 END
WHERE l.holder = EXCLUDED.holder OR l.expires_at <= %(now)s
RETURNING fencing_token
"""


def take_lease(*, name: str, holder: str, now: datetime, duration: timedelta) -> int | None:
    """Take or renew the lease; its fencing token, or None while another holder's has not expired.

    Safe to repeat: renewing keeps the token. Requires an open transaction; locks the lease row until it commits.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"name": name, "holder": holder, "now": now, "until": now + duration})
        row = cursor.fetchone()
    return int(row[0]) if row else None


def holds_lease(*, name: str, fencing_token: int) -> bool:
    """Whether the token is still the newest; locks the row FOR SHARE so that it stays so until this transaction ends.

    A holder that slept past its expiry finds a larger token here and must discard its work.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT fencing_token FROM kernel_lease WHERE name = %s FOR SHARE", [name])
        row = cursor.fetchone()
    return bool(row) and int(row[0]) == fencing_token


def release_lease(*, name: str, holder: str, now: datetime) -> None:
    """Give the lease up early, so that a successor need not wait for its expiry. Safe to repeat."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE kernel_lease SET expires_at = %s WHERE name = %s AND holder = %s", [now, name, holder])

"""Revisions: whether what a process remembers of some tables is still what they say."""

from uuid import UUID

from django.db import connection


def read_revision(*, topic: str) -> UUID:
    """The revision of a topic's tables as the open transaction sees them; changes with each change that commits.

    Read it before what is to be remembered under it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM kernel_revision WHERE topic = %s", [topic])
        value: UUID = cursor.fetchone()[0]
    return value

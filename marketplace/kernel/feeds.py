"""Feeds that lose nothing: rows store the writing transaction's id and readers stop below the oldest running one.

A reader that keeps `id > last` misses rows whose transaction began earlier and committed later. Readers of a feed order by
(xid, id) and add `WHERE xid < horizon()`.
"""

from django.db import connection
from django.db.models import BigIntegerField, Func


class CurrentTransactionId(Func):
    """`pg_current_xact_id()` as a bigint, for a column's database default."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = BigIntegerField()
    arity = 0


def horizon() -> int:
    """Every transaction below this id has committed or rolled back; read the feed only below it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])

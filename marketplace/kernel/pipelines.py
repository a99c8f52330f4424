"""Statements that need not wait for each other's answers, sent together: a round trip costs more than most of them take."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def pipelined() -> Iterator[None]:
    """Send the statements of the block in order, without waiting for each answer; a fetch inside waits for what was sent.

    For writes whose answers nobody looks at. When one fails, those after it are not carried out, and its error is raised at the end
    of the block or at the next fetch, as the database errors that Django raises. Requires an open transaction.
    """
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield

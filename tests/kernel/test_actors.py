"""One transaction per actor, also over a database that went away and came back."""

from django.db import connection

from marketplace.kernel.actors import as_actor, system_actor
from tests.fixtures.machine import Machine

ACTOR = system_actor("test")


def test_a_connection_that_died_while_idle_is_replaced(machine: Machine, committing_db: str) -> None:
    """The server ends the session between two transactions; the next one gets a new session and nothing is raised."""
    before = _session()
    assert machine.stack.shared.access.terminate_connections(database=committing_db) == 1
    assert _session() != before


def _session() -> int:
    with as_actor(ACTOR), connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])

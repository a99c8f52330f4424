"""Ondol's processes on this machine: each with its own login, each breakable by itself, readiness that means something."""

from pathlib import Path

import pytest

from devstack.kubernetes.control_plane import wait_until
from devstack.processes import Ports, Processes, ProcessName, http_status
from tests.fixtures.machine import Machine

PARTS = (ProcessName.WEB, ProcessName.CONSOLE, ProcessName.WORKER, ProcessName.BEAT)


def _environment(processes: Processes, name: ProcessName) -> dict[str, str]:
    entries = Path(f"/proc/{processes.pid(name)}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


@pytest.mark.disruptive
def test_processes_start_break_and_return(machine: Machine, broker: str) -> None:
    database = machine.new_database()
    processes = machine.stack.processes(
        database=database,
        installation_id=machine.installation_id,
        ports=Ports.free(),
        broker_database=99,
        label="breakable",
    )
    try:
        processes.start(PARTS)
        web, console = processes.ports.web, processes.ports.console
        assert http_status(port=web, path="/readyz") == 200
        assert http_status(port=console, path="/readyz") == 200

        logins = {
            name: _environment(processes, name)["ONDOL_DATABASE_URL"].split("/")[2].split(":")[0] for name in PARTS
        }
        assert logins.pop(ProcessName.WEB) == "ondol_web_login"
        assert set(logins.values()) == {"ondol_staff_login"}
        assert all(
            machine.stack.shared.access.superuser_password not in str(_environment(processes, name)) for name in PARTS
        )

        assert machine.stack.shared.access.terminate_connections(database=database) >= 1
        wait_until(
            "the web process reconnects", timeout_s=10, is_true=lambda: http_status(port=web, path="/readyz") == 200
        )

        worker = processes.pid(ProcessName.WORKER)
        processes.kill(ProcessName.WORKER)
        assert not Path(f"/proc/{worker}").exists()
        assert processes.find_ended() is None
        processes.start([ProcessName.WORKER])
        assert processes.pid(ProcessName.WORKER) != worker

        processes.restart(ProcessName.WEB)
        assert http_status(port=web, path="/readyz") == 200
    finally:
        processes.stop(grace_s=5)
        machine.stack.shared.access.drop_database(name=database)

"""Whatever devstack starts ends with it, also when it is killed; each process can be broken by itself."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack import paths
from devstack.child import Child, ChildFailed
from devstack.lock import DemoRuns, demo_lock
from devstack.paths import PortInUse, StateDirectory
from devstack.processes import Ports
from devstack.reaper import TOKEN_VARIABLE, Reaper, find_processes

PARENT = """
import sys, time
from collections.abc import Callable, Iterator
from pathlib import Path
from devstack.child import Child
from devstack.paths import StateDirectory
from devstack.reaper import Reaper

state = StateDirectory()
reaper = Reaper(state=state)
tree = "import subprocess, time; subprocess.Popen(['setsid', 'sleep', '600']); time.sleep(600)"
for name, script in (("tree", tree), ("deaf", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)")):
    Child(
        name=name, command=[sys.executable, "-c", script], environment={"PATH": "/usr/bin:/bin"},
        log=state.path / f"{name}.log", reaper=reaper, directory=Path("/"),
    ).start()
print(reaper.token, state.path, flush=True)
time.sleep(600)
"""


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_killed_parent(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=paths.REPOSITORY, start_new_session=True
    )
    assert parent.stdout is not None
    token, directory = parent.stdout.readline().split()
    _wait(lambda: len(find_processes(token)) == 3, "three children, one in a session of its own")
    assert Path(directory).is_dir()
    parent.send_signal(number)
    parent.wait()
    _wait(lambda: not find_processes(token), "no child is left")
    _wait(lambda: not Path(directory).exists(), "the state directory is gone")


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    state = StateDirectory()
    reaper = Reaper(state=state)
    script = "import time; print('한글 started', flush=True); time.sleep(600)"
    made = Child(
        name="example",
        command=[sys.executable, "-c", script],
        environment={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"},
        log=tmp_path / "example.log",
        reaper=reaper,
        directory=tmp_path,
    )
    yield made
    reaper.close()


@pytest.mark.integration
def test_a_child_is_stopped_started_and_killed_by_itself(child: Child) -> None:
    child.start()
    first = child.pid
    child.wait_ready(is_ready=lambda: "한글 started" in child.log_tail(), timeout_s=10)
    child.restart()
    assert child.pid != first
    assert not Path(f"/proc/{first}").exists()
    second = child.pid
    child.pause()
    _wait(lambda: _state(second) == "T", "it is stopped")
    child.resume()
    _wait(lambda: _state(second) == "S", "it sleeps again")
    child.kill()
    assert not child.is_running
    assert not Path(f"/proc/{second}").exists()
    with pytest.raises(ChildFailed, match="example is not running"):
        _ = child.pid


@pytest.mark.integration
def test_the_error_of_a_child_that_ends_shows_its_log(child: Child) -> None:
    child.command = [sys.executable, "-c", "print('no such setting'); raise SystemExit(3)"]
    child.start()
    with pytest.raises(ChildFailed, match=r"example ended with exit code 3\n.*\nno such setting"):
        child.wait_ready(is_ready=lambda: False, timeout_s=10)
    assert child.has_ended


@pytest.mark.integration
def test_the_environment_is_exactly_what_was_given(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_THE_SHELL", "1")
    child.start()
    _wait(lambda: b"PATH=" in Path(f"/proc/{child.pid}/environ").read_bytes(), "it runs")
    names = {entry.split(b"=")[0] for entry in Path(f"/proc/{child.pid}/environ").read_bytes().split(b"\0") if entry}
    assert names == {b"PATH", b"PYTHONIOENCODING", TOKEN_VARIABLE.encode()}


def test_a_port_in_use_is_named_with_the_variable_that_chooses_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"port {port} on 127\.0\.0\.1 is in use; choose another one with PORT="):
            Ports.wanted(web=port, console=paths.find_free_port())
        with pytest.raises(PortInUse, match="CONSOLE_PORT="):
            Ports.wanted(web=paths.find_free_port(), console=port)


def test_free_ports_are_never_handed_out_twice() -> None:
    ports = [paths.find_free_port() for _ in range(200)]
    assert len(set(ports)) == 200
    assert all(port in paths.PORT_RANGE for port in ports)


def test_a_second_demo_is_told_where_the_first_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with (
        demo_lock(url="http://127.0.0.1:8000"),
        pytest.raises(DemoRuns, match=rf"process {os.getpid()}, http://127\.0\.0\.1:8000 "),
        demo_lock(url="http://127.0.0.1:9000"),
    ):
        pass
    with demo_lock(url="http://127.0.0.1:9000"):
        pass


def test_private_files_are_closed_to_others() -> None:
    state = StateDirectory()
    try:
        directory = state.private("keys")
        secret = paths.write_secret(directory / "key", "text")
        assert directory.stat().st_mode & 0o777 == 0o700
        assert secret.stat().st_mode & 0o777 == 0o600
        assert state.path.stat().st_mode & 0o066 == 0
    finally:
        state.remove()
    assert not state.path.exists()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


def _wait(condition: Callable[[], bool], what: str, timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)

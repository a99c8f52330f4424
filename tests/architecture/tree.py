"""The files of the repository as these checks see them."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("marketplace", "billing", "clusters")
PYTHON_TREES = (*PRODUCT, "devstack", "tests", "bench")


@cache
def list_files() -> tuple[Path, ...]:
    """Every file that is committed or would be, relative to the root; a source archive without git lists what is there."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        skipped = {".git", ".venv", "__pycache__", "node_modules", "var"}
        everything = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        return tuple(sorted(path for path in everything if not skipped & set(path.parts)))
    return tuple(sorted(Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()))


def list_modules(*trees: str) -> list[Path]:
    """Python modules under the given top folders, migrations left out."""
    return [
        path
        for path in list_files()
        if path.suffix == ".py" and path.parts[0] in trees and "migrations" not in path.parts
    ]


@cache
def parse(path: Path) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def list_apps() -> list[Path]:
    """Folders of this project's Django apps, and `scheduling`, which has no models."""
    return [path.parent for path in list_files() if path.name == "apps.py"] + [Path("marketplace/scheduling")]

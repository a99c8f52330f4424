"""What must never be committed: a machine's paths, secrets, dead links."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, list_files

BINARY = {".gif", ".gz", ".ico", ".jpg", ".mo", ".otf", ".pdf", ".png", ".ttf", ".webp", ".woff2"}

FORBIDDEN = {
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:home|Users|work|root)/[A-Za-z0-9_.-]+"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\n(?:[A-Za-z0-9+/=]+\s*\n){3}"),
    "a cloud access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a Stripe live key": re.compile(r"\b[sr]k_live_[0-9A-Za-z]{16,}"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[0-9A-Za-z]{36}\b"),
    "a link to a local file": re.compile(r"file:///(?!dev/)"),
}
ALLOWED = {
    # The image's own user has its home there; uv and pip name it in every container guide.
    "a path of somebody's machine": re.compile(r"/root/\.cache/(?:uv|go-build)"),
}


def _texts() -> list[Path]:
    return [path for path in list_files() if path.suffix not in BINARY and path.name not in {"uv.lock", "go.sum"}]


@pytest.mark.parametrize("what", FORBIDDEN, ids=lambda what: what.replace(" ", "-"))
def test_nothing_private_is_committed(what: str) -> None:
    allowed = ALLOWED.get(what)
    found = []
    for path in _texts():
        if path == Path(__file__).relative_to(ROOT):
            continue
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if FORBIDDEN[what].search(line) and not (allowed and allowed.search(line)):
                found.append(f"{path}:{number}: {line.strip()[:100]}")
    assert found == []


def test_documents_link_to_what_exists() -> None:
    link = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")
    dead: list[str] = []
    for path in (path for path in list_files() if path.suffix == ".md"):
        targets = link.findall((ROOT / path).read_text(encoding="utf-8"))
        dead.extend(f"{path} -> {target}" for target in targets if not (ROOT / path.parent / target).exists())
    assert dead == []


def test_documents_name_targets_and_commands_that_exist() -> None:
    makefiles = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "Makefile.lint"))
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefiles, re.MULTILINE))
    commands = {path.stem for path in list_files() if "commands" in path.parts} | {"migrate", "makemigrations", "check"}
    wrong: list[str] = []
    for path in (path for path in list_files() if path.suffix == ".md"):
        text = (ROOT / path).read_text(encoding="utf-8")
        wrong.extend(f"{path}: make {name}" for name in re.findall(r"`make ([a-z-]+)", text) if name not in targets)
        wrong.extend(f"{path}: {name}" for name in re.findall(r"manage\.py ([a-z_]+)", text) if name not in commands)
    assert wrong == []


def test_settings_and_keys_of_the_example_are_placeholders() -> None:
    """`.env.example` is copied by hand; a real secret in it would be shared by everyone who forgot to change it."""
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#") and re.search(r"PASSWORD|SECRET|PEPPER|ENCRYPTION_KEYS", name):
            assert value == "", f"{name} must be left empty in .env.example"

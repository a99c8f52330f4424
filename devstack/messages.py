"""Compile the translations (.po → .mo) without gettext's own programs, which a fresh machine does not have.

The .mo files are not committed: two people's changes to one could not be merged.
"""

from collections.abc import Iterator
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from devstack import paths

SKIPPED = frozenset({"node_modules", ".venv", "var", "static-root"})


class MessagesBroken(Exception):
    """A .po file cannot be read, or a translation lacks a placeholder of its original; names file and line."""


def compile_messages(root: Path = paths.REPOSITORY) -> list[Path]:
    """Write every .mo that is missing or older than its .po; returns those written.

    Raises:
        MessagesBroken: See the class; nothing is written for that file.
    """
    return [compile_file(source) for source in list_sources(root) if _is_stale(source)]


def compile_file(source: Path) -> Path:
    """Write the .mo beside one .po and return its path. Fuzzy entries are left out, as gettext does.

    Raises:
        MessagesBroken: See the class.
    """
    target = source.with_suffix(".mo")
    locale = source.parent.parent.name
    with source.open("rb") as file:
        try:
            catalog = read_po(file, locale=locale, abort_invalid=True)
        except PoFileError as error:
            raise MessagesBroken(f"{source}: {error}") from error
    for message, errors in catalog.check():
        raise MessagesBroken(f"{source}:{message.lineno}: {errors[0]}")
    partial = target.with_suffix(".mo.partial")
    with partial.open("wb") as file:
        write_mo(file, catalog)
    partial.replace(target)
    return target


def list_sources(root: Path) -> Iterator[Path]:
    """All .po files of the tree in order of their path."""
    for path in sorted(root.glob("**/locale/*/LC_MESSAGES/*.po")):
        if not SKIPPED & set(path.relative_to(root).parts):
            yield path


def _is_stale(source: Path) -> bool:
    target = source.with_suffix(".mo")
    return not target.exists() or target.stat().st_mtime < source.stat().st_mtime

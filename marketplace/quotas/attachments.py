"""Papers that may come with a quota request: what they are, told by their first bytes. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ATTACHMENTS_MAX: Final = 3
BYTES_MAX: Final = 5 * 1_048_576
NAME_CHARACTERS_MAX: Final = 120

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_KINDS: Final[Mapping[str, tuple[bytes, str]]] = {
    "pdf": (b"%PDF-", "application/pdf"),
    "png": (b"\x89PNG\r\n\x1a\n", "image/png"),
    "jpg": (b"\xff\xd8\xff", "image/jpeg"),
    "jpeg": (b"\xff\xd8\xff", "image/jpeg"),
    "hwp": (_OLE, "application/x-hwp"),
    "hwpx": (_ZIP, "application/hwp+zip"),
    "docx": (_ZIP, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "xlsx": (_ZIP, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
"""Extension → first bytes and media type; the extension is believed only when the bytes agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A file as somebody sent it."""

    name: str
    content: bytes


def media_type_of(paper: Paper) -> str | None:
    """The media type; None where the extension is not one of ours or the first bytes say otherwise."""
    extension = paper.name.rsplit(".", maxsplit=1)[-1].lower()
    if extension not in _KINDS:
        return None
    magic, media_type = _KINDS[extension]
    return media_type if paper.content.startswith(magic) else None


def plain_name(name: str) -> str:
    """A file's name without folders, control characters and what a header or a shell could misread."""
    last = re.split(r"[/\\]", name)[-1]
    kept = re.sub(r"[^\w.\- ]", "_", last).strip(". ")
    return kept[-NAME_CHARACTERS_MAX:] or "attachment"

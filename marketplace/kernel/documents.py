"""Documents as PDF: typst renders stored data; customers' text is data, never markup."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typst
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from marketplace.kernel.errors import OndolError


class FontMissing(OndolError):
    """Without the Hangul font a PDF would show boxes; it is not made at all."""

    code = "document_font_missing"
    http_status = 503
    title = _("Documents cannot be rendered: the Hangul font is not installed.")
    remedy = _("Run `make assets`, or set ONDOL_DOCUMENT_FONTS to a directory with Pretendard's OTF or TTF files.")


def render_document(*, template: str, document: Mapping[str, Any]) -> bytes:
    """The PDF of a stored document by a template of `templates/documents`; the same document gives the same pages.

    Raises:
        FontMissing: The font directory has no Pretendard.
    """
    fonts = Path(settings.DOCUMENT_FONTS)
    if not any(fonts.glob("Pretendard-Regular.*")):
        raise FontMissing
    templates = Path(settings.BASE_DIR) / "templates" / "documents"
    return bytes(
        typst.compile(
            str(templates / template),
            root=str(templates),
            font_paths=[str(fonts)],
            ignore_system_fonts=True,
            sys_inputs={"document": json.dumps(document, ensure_ascii=False)},
        )
    )

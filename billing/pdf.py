"""Invoices as PDF."""

from collections.abc import Mapping
from typing import Any, Final

from marketplace.kernel.documents import FontMissing, render_document

TEMPLATE: Final = "invoice.typ"

__all__ = ["FontMissing", "render_invoice"]


def render_invoice(document: Mapping[str, Any]) -> bytes:
    """The PDF of a stored invoice document; the same document gives the same pages.

    Raises:
        FontMissing: The font directory has no Pretendard.
    """
    return render_document(template=TEMPLATE, document=document)

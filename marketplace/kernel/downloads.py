"""Stored files as answers: always a download, never shown within a page, never guessed to be something else."""

from django.http import HttpResponse
from django.utils.http import content_disposition_header


def answer_download(*, name: str, media_type: str, content: bytes | memoryview) -> HttpResponse:
    """The file as it was handed in, under its own name; no cache keeps it."""
    return HttpResponse(
        bytes(content),
        content_type=media_type,
        headers={
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "attachment",
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )

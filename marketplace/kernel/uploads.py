"""Uploaded files: read into memory up to a limit, thrown away beyond it, so that 50 MB never reach a disk or a row."""

from typing import Any

from django.core.files.uploadhandler import MemoryFileUploadHandler, SkipFile
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from marketplace.kernel.errors import OndolError

UPLOAD_BYTES_MAX = 10 * 1024 * 1024
_TOO_LARGE = "ondol.upload_too_large"


class UploadTooLarge(OndolError):
    """A file beyond the limit; nothing of it was kept."""

    code = "upload_too_large"
    http_status = 413
    title = _("The file is larger than %(limit_mib)s MiB.")
    remedy = _("Reduce the scan's resolution or hand in the pages that matter; nothing was saved.")


class BoundedUploadHandler(MemoryFileUploadHandler):
    """Keeps a file of at most `UPLOAD_BYTES_MAX` in memory; a larger one is read to its end and forgotten.

    Raising at once would cut the connection, and a browser would show that instead of the reason.
    """

    def handle_raw_input(self, *_args: Any, **_kwargs: Any) -> None:
        """Always in memory, whatever the length of the whole request."""
        self.activated = True
        self.size = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin to count."""
        self.size = 0
        super().new_file(*args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep a piece, or forget the file."""
        self.size += len(raw_data)
        if self.size > UPLOAD_BYTES_MAX:
            if self.request is not None:
                self.request.META[_TOO_LARGE] = "1"
            self.file.close()
            raise SkipFile
        super().receive_data_chunk(raw_data, start)


def read_upload(request: HttpRequest, *, field: str) -> tuple[str, bytes] | None:
    """The file's name and content; None when no file was chosen.

    Raises:
        UploadTooLarge: It went over the limit.
    """
    uploaded = request.FILES.get(field)
    if request.META.get(_TOO_LARGE):
        raise UploadTooLarge(facts={"limit_mib": UPLOAD_BYTES_MAX // 1024 // 1024}, pointer=f"/{field}")
    if uploaded is None:
        return None
    return uploaded.name or field, uploaded.read()

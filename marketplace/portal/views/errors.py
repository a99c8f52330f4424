"""What a visitor sees when a page fails; the other error pages are templates that Django finds by their names."""

import sys
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

RETRY_AFTER_S: Final = 30


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for an exception that nobody caught, with the request's id; 503 when the database did not answer.

    Needs no database itself. Django calls it while the exception is being handled.
    """
    if not isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        return render(request, "500.html", status=500)
    response = render(request, "503.html", status=503)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response

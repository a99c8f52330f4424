"""The console's side bar: pages in the order of an operator's day, then records by app."""

from collections.abc import Iterator
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

PAGES: Final[tuple[tuple[Promise, str, str], ...]] = ((_("Overview"), "dashboard", "console:overview"),)
"""Title, Material symbol, route."""


def read_navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups for django-unfold; it asks for them at each page."""
    pages = {
        "title": _("Operations"),
        "items": [{"title": title, "icon": icon, "link": reverse(route)} for title, icon, route in PAGES],
    }
    return [pages, *_list_records(request)]


def _list_records(request: HttpRequest) -> Iterator[dict[str, Any]]:
    for app in admin.site.get_app_list(request):
        yield {
            "title": app["name"],
            "collapsible": True,
            "items": [{"title": model["name"], "link": model["admin_url"]} for model in app["models"]],
        }

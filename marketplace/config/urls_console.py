"""URLs of the operator's console: a process of its own, on its own host and network."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from marketplace.config import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("i18n/", include("django.conf.urls.i18n")),
    path("pages/", include("marketplace.console.urls")),
    path("", RedirectView.as_view(pattern_name="console:overview")),
    path("", admin.site.urls),
]

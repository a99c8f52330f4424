"""URLs of the web face: portal and REST API."""

from django.urls import include, path

from marketplace.config import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("api/v1/", include("marketplace.api.urls")),
    path("", include("marketplace.portal.urls")),
]
handler500 = "marketplace.portal.views.errors.server_error"

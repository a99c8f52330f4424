"""URLs of the operator's console: a process of its own, on its own host and network."""

from django.contrib import admin
from django.urls import path

from marketplace.config import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("", admin.site.urls),
]

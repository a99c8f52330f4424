"""Production: behind a TLS-terminating proxy, several replicas of each process."""

from marketplace.config.settings.base import *  # noqa: F403 - a settings module is its base plus what differs
from marketplace.config.settings.base import DATABASES, ENVIRONMENT

SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-ondol_session"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-ondol_csrf"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = False

DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 2, "max_size": ENVIRONMENT.database_pool_max, "timeout": 2.0}

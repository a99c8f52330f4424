"""Settings shared by every environment; what an installation decides is read in `config/environment.py`."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

from marketplace.config.environment import read_environment
from marketplace.config.schedule import SCHEDULE

ENVIRONMENT = read_environment()
BASE_DIR = Path(__file__).resolve().parents[3]

SECRET_KEY = ENVIRONMENT.secret_key
DEBUG = False
ALLOWED_HOSTS = [host.strip() for host in ENVIRONMENT.allowed_hosts.split(",") if host.strip()]
FACE = ENVIRONMENT.face

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_cotton.apps.SimpleAppConfig",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "marketplace.kernel",
    "marketplace.sovereignty",
    "marketplace.accounts",
    "marketplace.tenants",
    "marketplace.inventory",
    "marketplace.quotas",
    "marketplace.instances",
    "billing",
    "clusters",
    "marketplace.journeys",
    "marketplace.api",
    "marketplace.portal",
    "marketplace.console",
    "marketplace.config",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "marketplace.config.request_context.RequestContextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
if FACE == "console":
    MIDDLEWARE.append("marketplace.config.console.OperatorTransactionMiddleware")
ROOT_URLCONF = "marketplace.config.urls_console" if FACE == "console" else "marketplace.config.urls"
WSGI_APPLICATION = "marketplace.config.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "csp.context_processors.nonce",
            ],
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django_cotton.cotton_loader.Loader",
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "builtins": ["django_cotton.templatetags.cotton"],
        },
    }
]


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
        # No ping before each request: `as_actor` looks at the socket, which costs no round trip.
        "CONN_HEALTH_CHECKS": False,
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {
            "connect_timeout": 3,
            # Plans are kept per connection after five uses; a PgBouncer in between must do the same (1.21, prepared statements).
            "server_side_binding": True,
            "prepare_threshold": 5,
            "options": "-c statement_timeout=15000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000",
        },
    }


DATABASES = {"default": _database(ENVIRONMENT.database_url)}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
LOGIN_URL = "admin:login" if FACE == "console" else "portal:sign-in"
LOGIN_REDIRECT_URL = "console:overview" if FACE == "console" else "portal:home"

LANGUAGE_CODE = "ko"
LANGUAGES = [("ko", _("Korean")), ("en", _("English"))]
LANGUAGE_COOKIE_NAME = "ondol_language"
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Seoul"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "static-root"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600

FILE_UPLOAD_HANDLERS = ["marketplace.kernel.uploads.BoundedUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
"""A request body over 1 MiB is refused with 413 before it is read into memory."""

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "ondol_session"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_NAME = "ondol_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        # The console's frame evaluates its own attributes and sets its own colours (docs/adr/0010); no script is inline.
        "script-src": [SELF, UNSAFE_EVAL] if FACE == "console" else [SELF, NONCE],
        "style-src": [SELF, UNSAFE_INLINE] if FACE == "console" else [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["marketplace.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["marketplace.api.parsing.OrjsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "marketplace.api.errors.problem_response",
    "UNAUTHENTICATED_USER": None,
    # `format` is a parameter of our own routes, not a switch of the renderer.
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Ondol API",
    "DESCRIPTION": "Rent sovereign AI compute: accelerators of domestic Kubernetes clusters, metered by the second, billed in won.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

ENCRYPTION_KEYS = ENVIRONMENT.encryption_keys
API_KEY_PEPPER = ENVIRONMENT.api_key_pepper.encode()
INSTALLATION_ID = ENVIRONMENT.installation_id
KUBE_ALLOWED_NETWORKS = [network.strip() for network in ENVIRONMENT.kube_allowed_networks.split(",") if network.strip()]
DOCUMENT_FONTS = ENVIRONMENT.document_fonts or str(
    BASE_DIR / "marketplace/portal/assets/node_modules/pretendard/dist/public/static"
)
BASE_URL = ENVIRONMENT.base_url
BROKER_URL = ENVIRONMENT.broker_url
TOPOLOGY_LABEL = ENVIRONMENT.topology_label
CLUSTER_SILENCE = timedelta(seconds=ENVIRONMENT.cluster_silence_s)
STOCK_SNAPSHOT_AGE = timedelta(seconds=1)
UNSCHEDULABLE_AFTER = timedelta(seconds=ENVIRONMENT.unschedulable_s)
FAIR_SHARE_HALF_LIFE_S = ENVIRONMENT.fair_share_half_life_s
QUOTA_SECOND_PERSON_UNITS = ENVIRONMENT.quota_second_person_units
QUOTA_SECOND_PERSON_GIB = ENVIRONMENT.quota_second_person_gib
TOP_UP_SECOND_PERSON_FROM_WON = ENVIRONMENT.top_up_second_person_from_won
ATTEMPTS_MAX = ENVIRONMENT.attempts_max

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Ondol",
    "SITE_HEADER": "Ondol",
    "SITE_SUBHEADER": _("Operator console"),
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("portal/mark.svg")},
    ],
    "SIDEBAR": {"show_search": True, "navigation": "marketplace.console.navigation.read_navigation"},
    "STYLES": [lambda _request: static("console/console.css")],
    "SCRIPTS": [lambda _request: static("console/console.js")],
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254)",
            "100": "oklch(93% .032 255)",
            "200": "oklch(88% .059 254)",
            "300": "oklch(81% .105 252)",
            "400": "oklch(71% .165 255)",
            "500": "oklch(62% .214 260)",
            "600": "oklch(55% .215 262)",
            "700": "oklch(47% .19 262)",
            "800": "oklch(40% .16 262)",
            "900": "oklch(35% .13 262)",
            "950": "oklch(27% .09 266)",
        }
    },
}

CELERY_BROKER_URL = ENVIRONMENT.broker_url
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 0.5
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than the hard time limit, so that a running task is not delivered twice; lost ones come back within seconds,
    # since the restore is looked for each second instead of each five minutes.
    "visibility_timeout": 180,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "max_retries": 0,
    "socket_timeout": 2.0,
    "socket_connect_timeout": 0.5,
    "socket_keepalive": True,
}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 100
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"clusters.*": {"queue": "provision"}, "billing.*": {"queue": "billing"}}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = SCHEDULE

LOGGING_CONFIG = None
"""structlog is set up in `config/logs.py`; Django's own set-up would write a second format."""

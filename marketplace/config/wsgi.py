"""WSGI entry point for granian: the portal and API, or the console, by ONDOL_FACE."""

import os

from django.core.wsgi import get_wsgi_application

from marketplace.kernel.garbage import settle_memory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.config.settings.local")

application = get_wsgi_application()
settle_memory()

"""WSGI entry point for granian: the portal and API, or the console, by ONDOL_FACE."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.config.settings.local")

application = get_wsgi_application()

"""WSGI entry point for granian: the portal and API, or the console, by ONDOL_FACE."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.config.settings.local")

application = get_wsgi_application()

# What stands now stays and is never looked at again, and collections come after 10,000 new objects instead of 700: with Python's
# defaults a quarter of the time of a page of instances was spent looking for garbage that was not there (R1).
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 50)

"""Tests; devstack provides the environment. Values here only let modules be imported where nothing is started (unit tests)."""

import os
from datetime import timedelta

os.environ.setdefault("ONDOL_ENVIRONMENT", "test")
os.environ.setdefault("ONDOL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
os.environ.setdefault("ONDOL_BROKER_URL", "redis://127.0.0.1:1/0")
os.environ.setdefault("ONDOL_SECRET_KEY", "unit-tests-only-" * 4)
os.environ.setdefault("ONDOL_ENCRYPTION_KEYS", "unit:" + "A" * 43 + "=")
os.environ.setdefault("ONDOL_API_KEY_PEPPER", "unit-tests-only-" * 3)
os.environ.setdefault("ONDOL_INSTALLATION_ID", "00000000-0000-7000-8000-000000000001")
os.environ.setdefault("ONDOL_KUBE_ALLOWED_NETWORKS", "127.0.0.0/8")

from marketplace.config.settings.base import *  # noqa: F403 - the environment must stand first

STOCK_SNAPSHOT_AGE = timedelta(0)

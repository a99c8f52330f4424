"""Commands that need no installation, e.g. replaying a trace: no database, no broker, no cluster and no secret of anybody.

Values that an installation decides are made up for the process alone; whoever sets them keeps them.
"""

import os
import secrets
import uuid

os.environ.setdefault("ONDOL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
os.environ.setdefault("ONDOL_SECRET_KEY", secrets.token_hex(32))
os.environ.setdefault("ONDOL_ENCRYPTION_KEYS", "none:" + "A" * 43 + "=")
os.environ.setdefault("ONDOL_API_KEY_PEPPER", secrets.token_hex(32))
os.environ.setdefault("ONDOL_INSTALLATION_ID", str(uuid.uuid4()))

from marketplace.config.settings.base import *  # noqa: F403 - the environment must stand first

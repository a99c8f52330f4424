"""One machine: the demo and development."""

from marketplace.config.settings.base import *  # noqa: F403 - a settings module is its base plus what differs

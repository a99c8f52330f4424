"""Django's command line for Ondol."""

import os
import sys

OFFLINE = frozenset({"make_trace", "simulate_queue"})
"""Commands that anybody may run on a bare checkout: files in, figures out."""


def main() -> None:
    """Run a management command with the local settings, or those of no installation, unless others are named."""
    settings = "offline" if len(sys.argv) > 1 and sys.argv[1] in OFFLINE else "local"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"marketplace.config.settings.{settings}")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - settings must be named first

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

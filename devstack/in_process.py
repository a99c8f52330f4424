"""Use Ondol's own code inside a process of devstack, as one of Ondol's processes would."""

import os
from collections.abc import Mapping


def set_up_django(environment: Mapping[str, str]) -> None:
    """Take the settings of `Stack.environment` and load Django; once per process, before any module of the product.

    Raises:
        RuntimeError: Django is set up already, so its settings could not change.
    """
    from django.conf import settings  # noqa: PLC0415 - the environment must stand before the settings are read

    if settings.configured:
        raise RuntimeError("Django is set up already in this process")
    os.environ.update(environment)
    import django  # noqa: PLC0415 - see above

    django.setup()

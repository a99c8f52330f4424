"""`manage.py load_baseline`: the accelerator catalogue, assurance schemes, data classes and first rules. Safe to repeat."""

from typing import Any

from django.core.management.base import BaseCommand

from marketplace.inventory.catalogue import load_catalogue
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.sovereignty.baseline import load_baseline


class Command(BaseCommand):
    """Loads what comes with Ondol."""

    help = "Load the accelerator catalogue, assurance schemes, data classes and their first rules; safe to repeat."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Load in one transaction."""
        now = clock.now()
        actor = system_actor("load_baseline")
        with as_actor(actor):
            count = load_catalogue(actor=actor, now=now)
            load_baseline(actor=actor, effective_from=now, now=now)
        self.stdout.write(f"{count} accelerators, schemes, data classes and rules are in place")

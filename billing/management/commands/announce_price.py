"""`manage.py announce_price prc_… --reason "…"`: announce a published price to the instances that run."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.price_changes import announce
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.kernel.errors import OndolError


class Command(BaseCommand):
    """Announce; a rise then waits for each customer's consent."""

    help = "Announce a published price version to running instances; a rise needs each customer's consent."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which version, and why."""
        parser.add_argument("price_version", help="prc_…")
        parser.add_argument("--reason", required=True)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print how many were told."""
        actor = system_actor("announce-price")
        try:
            version_id = ids.parse_id(prefix="prc", text=options["price_version"])
            with as_actor(actor):
                told = announce(actor=actor, price_version_id=version_id, now=clock.now(), reason=options["reason"])
        except (OndolError, ids.MalformedId) as error:
            message = error.message() if isinstance(error, OndolError) else str(error)
            raise CommandError(message) from error
        self.stdout.write(f"{len(told)} instances were told")

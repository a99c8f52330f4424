"""`manage.py check_ledger`: re-adds everything and names the first difference; `--rebuild` makes the balances anew first."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import override

from billing.ledger import find_difference, rebuild_balances
from marketplace.kernel.actors import as_actor, system_actor


class Command(BaseCommand):
    """Exits with 1 when anything does not add up."""

    help = "Re-add ledger, invoices, lines and charges; name the first difference."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether to rebuild."""
        parser.add_argument("--rebuild", action="store_true", help="make every stored balance anew from the postings")

    def handle(self, *_args: object, **options: Any) -> None:
        """Check once."""
        if options["rebuild"]:
            with as_actor(system_actor("check_ledger")):
                self.stdout.write(f"{rebuild_balances()} balances made anew.")
        with as_actor(system_actor("check_ledger")):
            difference = find_difference()
        if difference is not None:
            with override("en"):
                message = f"{difference.what}: expected {difference.expected_won}, found {difference.actual_won}"
            raise CommandError(message)
        self.stdout.write("The ledger adds up.")

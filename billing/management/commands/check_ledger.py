"""`manage.py check_ledger`: re-adds everything and names the first difference."""

from django.core.management.base import BaseCommand, CommandError

from billing.ledger import find_difference
from marketplace.kernel.actors import as_actor, system_actor


class Command(BaseCommand):
    """Exits with 1 when anything does not add up."""

    help = "Re-add ledger, invoices, lines and charges; name the first difference."

    def handle(self, *_args: object, **_options: object) -> None:
        """Check once."""
        with as_actor(system_actor("check_ledger")):
            difference = find_difference()
        if difference is not None:
            message = f"{difference.what}: expected {difference.expected_won}, found {difference.actual_won}"
            raise CommandError(message)
        self.stdout.write("The ledger adds up.")

"""`manage.py close_month 2026-11`: issue a month's invoices. The clock decides whether the month is over."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.month_close import MonthNotOver, close_month
from marketplace.kernel import clock
from marketplace.kernel.actors import system_actor


class Command(BaseCommand):
    """Safe to repeat: what is invoiced is not invoiced again."""

    help = "Close a month: issue every invoice that is not issued yet. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One month, no date for `now`: the operator's close takes the clock."""
        parser.add_argument("month", help="YYYY-MM")

    def handle(self, *_args: object, **options: Any) -> None:
        """Close once and print what was issued."""
        try:
            year, month = str(options["month"]).split("-")
            first_day = date(int(year), int(month), 1)
        except ValueError as error:
            message = "The month is given as YYYY-MM."
            raise CommandError(message) from error
        try:
            invoices = close_month(actor=system_actor("close_month"), month=first_day, now=clock.now())
        except MonthNotOver as error:
            raise CommandError(error.message()) from error
        for invoice in invoices:
            self.stdout.write(f"{invoice.number} total={invoice.total_won}")
        self.stdout.write(f"{len(invoices)} invoices issued")

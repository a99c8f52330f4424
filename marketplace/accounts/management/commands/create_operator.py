"""`manage.py create_operator ADDRESS`: the first operator of an installation, since nobody may sign up as one."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marketplace.accounts.operations import UserInvalid, create_user
from marketplace.kernel import clock
from marketplace.kernel.actors import as_actor, system_actor


class Command(BaseCommand):
    """Creates a person who may open the console."""

    help = "Create an operator, who may open the console; asks for a password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The address, and where the password comes from."""
        parser.add_argument("email")
        parser.add_argument(
            "--name", default="", help="shown in the audit log beside the address; default: the address"
        )
        parser.add_argument("--language", default="ko", choices=["ko", "en"])
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Create the operator in one audited transaction."""
        password = sys.stdin.readline().rstrip("\n") if options["password_stdin"] else _ask_password()
        actor = system_actor("create_operator")
        try:
            with as_actor(actor):
                create_user(
                    actor=actor,
                    email=options["email"],
                    name=options["name"] or options["email"],
                    password=password,
                    language=options["language"],
                    is_staff=True,
                    now=clock.now(),
                )
        except UserInvalid as error:
            raise CommandError(error.message()) from error
        self.stdout.write(f"{options['email']} may open the console")


def _ask_password() -> str:
    """Ask twice, showing nothing.

    Raises:
        CommandError: The two differ.
    """
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("the two passwords differ; nothing was created")
    return password

"""People of the platform."""

from marketplace.accounts.models import User
from marketplace.accounts.operations import create_user
from marketplace.kernel.actors import as_actor
from tests.market import NOW, STAFF

PASSWORD = "correct-horse-battery"


def add_operator(*, email: str = "operator@ondol.example") -> User:
    """A user of the platform's staff."""
    with as_actor(STAFF):
        return create_user(actor=STAFF, email=email, name="운영자", password=PASSWORD, is_staff=True, now=NOW)

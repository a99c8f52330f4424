"""Writes of users; audited."""

from datetime import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from marketplace.accounts.models import User
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import ValidationFailed


class UserInvalid(ValidationFailed):
    """An address that is taken, or a password that is too weak."""

    code = "user_invalid"


def create_user(
    *,
    actor: Actor,
    email: str,
    name: str,
    password: str,
    now: datetime,
    is_staff: bool = False,
    language: str = "ko",
) -> User:
    """Create a person who can sign in.

    Raises:
        UserInvalid: The address is taken or the password is refused by the password rules.
    """
    if User.objects.filter(email__iexact=email).exists():
        raise UserInvalid(reason=_("The address is already in use."), pointer="/email")
    try:
        validate_password(password)
    except ValidationError as error:
        raise UserInvalid(reason=" ".join(error.messages), pointer="/password") from error
    user = User(email=email.lower(), name=name, language=language, is_staff=is_staff, is_superuser=is_staff)
    user.set_password(password)
    user.save(force_insert=True)
    record_act(actor=actor, action="user.created", object_type="usr", object_id=user.id, now=now)
    return user

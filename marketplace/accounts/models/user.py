"""A person who signs in."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Now

from marketplace.kernel import ids


class UserAccounts(BaseUserManager["User"]):
    """Lookup by e-mail address, as Django's authentication expects it."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user with this address, ignoring case."""
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person; belongs to tenants by membership, or is platform staff (`is_staff`).

    Users have no tenant and no row-level security: sign-in must find them before a tenant is known.
    """

    TYPE_PREFIX = "usr"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100)
    language = models.CharField(max_length=2, default="ko")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects = UserAccounts()

    def __str__(self) -> str:
        """The address."""
        return self.email

"""Signing of documents that leave Ondol: one key pair per installation at a time, its public half shown to everybody."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import crypto, ids
from marketplace.kernel.actors import Actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.crypto import Keyring, Sealed
from marketplace.kernel.errors import OndolError
from marketplace.kernel.models import SigningKey


class SigningKeyMissing(OndolError):
    """Nothing can be signed until an operator has made a key."""

    code = "signing_key_missing"
    http_status = 503
    retryable = True
    title = _("Documents cannot be signed: this installation has no signing key yet.")
    remedy = _("An operator makes one with `manage.py load_baseline`; the daily task does it as well.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature with everything needed to check it, except trust in the key."""

    suite: str
    key: str
    public_key_pem: str
    value: str


def list_signing_keys() -> QuerySet[SigningKey]:
    """Every key that ever signed, newest first; faces show the public half."""
    return SigningKey.objects.order_by("-created_at", "-id")


def ensure_signing_key(*, actor: Actor, now: datetime) -> SigningKey:
    """Make the first key pair; afterwards the one in use. Safe to repeat. Needs a staff transaction."""
    current = list_signing_keys().filter(retired_at__isnull=True).first()
    if current is not None:
        return current
    private, public = crypto.new_signing_pair()
    key_id = ids.new_id()
    sealed = Keyring.parse(settings.ENCRYPTION_KEYS).seal(private, associated=f"signing-key|{key_id}")
    key = SigningKey.objects.create(
        id=key_id,
        name=hashlib.sha256(public.encode()).hexdigest()[:16],
        suite=crypto.SUITE_ECDSA_P256_SHA256,
        public_key_pem=public,
        sealed_suite=sealed.suite,
        sealed_key_id=sealed.key_id,
        sealed_private_key=sealed.ciphertext,
        created_at=now,
    )
    record_act(actor=actor, action="signing_key.made", object_type="sgk", object_id=key.id, now=now)
    return key


def sign_bytes(message: bytes) -> Signature:
    """Sign with the key in use.

    Raises:
        SigningKeyMissing: There is none.
        Undecryptable: The installation's encryption key is another one.
    """
    key = list_signing_keys().filter(retired_at__isnull=True).first()
    if key is None:
        raise SigningKeyMissing
    sealed = Sealed(suite=key.sealed_suite, key_id=key.sealed_key_id, ciphertext=bytes(key.sealed_private_key))
    private = Keyring.parse(settings.ENCRYPTION_KEYS).open(sealed, associated=f"signing-key|{key.id}")
    value = crypto.sign(message, suite=key.suite, private_key=private)
    return Signature(
        suite=key.suite,
        key=key.name,
        public_key_pem=key.public_key_pem,
        value=base64.b64encode(value).decode(),
    )

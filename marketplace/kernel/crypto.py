"""Encryption, keyed hashing and signing through one seam: named suites, stored beside each value.

State bodies need validated modules (ARIA, LEA …); a suite is added here and old values stay readable by their stored name.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SUITE_AES_256_GCM: Final = "aes-256-gcm"
SUITE_HMAC_SHA_256: Final = "hmac-sha-256"
SUITE_SHA_256: Final = "sha-256"
SUITE_ECDSA_P256_SHA256: Final = "ecdsa-p256-sha256"
"""ECDSA stands on the list of validated modules (검증필 암호모듈); Ed25519 does not."""
_NONCE_BYTES: Final = 12


class Undecryptable(Exception):
    """The value was changed, belongs to another row, or its key is gone."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ciphertext with what is needed to open it, except the key."""

    suite: str
    key_id: str
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Keyring:
    """Named 256-bit keys; the first one writes, all of them read, so that a key is rotated without downtime."""

    keys: Mapping[str, bytes]

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Read `id:base64,id:base64`.

        Raises:
            ValueError: Empty, a repeated id, or a key that is not 32 bytes.
        """
        keys: dict[str, bytes] = {}
        for part in filter(None, (item.strip() for item in text.split(","))):
            key_id, _, encoded = part.partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error as error:
                message = f"key {key_id!r} is not base64"
                raise ValueError(message) from error
            if len(key) != 32 or not key_id or key_id in keys:
                message = f"key {key_id!r} must be named once and be 32 bytes long"
                raise ValueError(message)
            keys[key_id] = key
        if not keys:
            message = "at least one encryption key is needed"
            raise ValueError(message)
        return cls(keys=keys)

    @property
    def writing_key_id(self) -> str:
        """The id of the key that new values are sealed with."""
        return next(iter(self.keys))

    def seal(self, plaintext: bytes, *, associated: str) -> Sealed:
        """Encrypt; `associated` (e.g. the row's id) must be given again to open, so a ciphertext cannot be moved to another row."""
        key_id = self.writing_key_id
        nonce = secrets.token_bytes(_NONCE_BYTES)
        body = AESGCM(self.keys[key_id]).encrypt(nonce, plaintext, f"{key_id}|{associated}".encode())
        return Sealed(suite=SUITE_AES_256_GCM, key_id=key_id, ciphertext=nonce + body)

    def open(self, sealed: Sealed, *, associated: str) -> bytes:
        """Decrypt.

        Raises:
            Undecryptable: Unknown suite or key, or the value does not belong here.
        """
        key = self.keys.get(sealed.key_id)
        if key is None or sealed.suite != SUITE_AES_256_GCM:
            message = f"no key {sealed.key_id!r} for suite {sealed.suite!r}"
            raise Undecryptable(message)
        nonce, body = sealed.ciphertext[:_NONCE_BYTES], sealed.ciphertext[_NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, body, f"{sealed.key_id}|{associated}".encode())
        except InvalidTag as error:
            message = "the value was changed or belongs to another row"
            raise Undecryptable(message) from error


def keyed_hash(*, key: bytes, text: str) -> bytes:
    """HMAC-SHA-256; for API keys, whose 160 random bits need no slow password hash (R2)."""
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def equal_in_constant_time(left: bytes, right: bytes) -> bool:
    """Compare without telling by time where they differ."""
    return hmac.compare_digest(left, right)


def digest(content: bytes) -> tuple[str, str]:
    """The named hash of a document and its hexadecimal value."""
    return SUITE_SHA_256, hashlib.sha256(content).hexdigest()


def new_signing_pair() -> tuple[bytes, str]:
    """A fresh private key (PKCS#8 DER, to be sealed at once) and its public key (PEM), for `SUITE_ECDSA_P256_SHA256`."""
    private = ec.generate_private_key(ec.SECP256R1())
    secret = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return secret, public.decode()


def sign(message: bytes, *, suite: str, private_key: bytes) -> bytes:
    """The signature, DER (RFC 3279).

    Raises:
        ValueError: Unknown suite, or a key of another kind.
    """
    key = serialization.load_der_private_key(private_key, password=None)
    if suite != SUITE_ECDSA_P256_SHA256 or not isinstance(key, ec.EllipticCurvePrivateKey):
        message_text = f"cannot sign by {suite!r}"
        raise ValueError(message_text)
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


def is_signed_by(message: bytes, *, signature: bytes, suite: str, public_key_pem: str) -> bool:
    """Whether the signature belongs to the message; False for an unknown suite."""
    key = serialization.load_pem_public_key(public_key_pem.encode())
    if suite != SUITE_ECDSA_P256_SHA256 or not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True

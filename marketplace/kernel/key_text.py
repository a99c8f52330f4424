"""The text of a key that a program signs in with.

`<head>_<12 characters>_<32 characters><6 characters>`: a head that says whose key it is, a prefix that finds the row, 160 random
bits, and a CRC-32 so that a mistyped key is refused without a query. Only an HMAC of the whole is stored; the text is shown once.
"""

import secrets
import zlib
from typing import Final

from django.conf import settings

from marketplace.kernel.crypto import keyed_hash

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PREFIX_LENGTH: Final = 12
_SECRET_LENGTH: Final = 32
_CHECKSUM_LENGTH: Final = 6


def new_key_text(*, head: str) -> tuple[str, str]:
    """A fresh key: its prefix and its whole text."""
    prefix, secret = _random(_PREFIX_LENGTH), _random(_SECRET_LENGTH)
    return prefix, f"{head}_{prefix}_{secret}{checksum(prefix + secret)}"


def find_prefix(text: str, *, head: str) -> str | None:
    """The prefix of a well-formed key; None when head, form or checksum is wrong. Pure."""
    found, _, rest = text.partition("_")
    prefix, _, body = rest.partition("_")
    if found != head or len(prefix) != _PREFIX_LENGTH or len(body) != _SECRET_LENGTH + _CHECKSUM_LENGTH:
        return None
    if not set(prefix + body) <= set(_ALPHABET):
        return None
    secret, told = body[:_SECRET_LENGTH], body[_SECRET_LENGTH:]
    return prefix if told == checksum(prefix + secret) else None


def hash_key(text: str) -> bytes:
    """What is stored of a key."""
    return keyed_hash(key=settings.API_KEY_PEPPER, text=text)


def checksum(text: str) -> str:
    """Six characters that a slip of the keyboard changes; no secret."""
    number = zlib.crc32(text.encode())
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(_CHECKSUM_LENGTH))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))

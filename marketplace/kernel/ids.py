"""Public identifiers: a UUIDv7 in the database, a TypeID (`ins_01j…`) on every face.

The text form follows the TypeID specification 0.3: a prefix, an underscore, and 26 characters of Crockford base32 in lower
case. Time-ordered, 74 random bits: not guessable, and index-friendly.
"""

import re
import secrets
import threading
import time
from functools import lru_cache
from typing import Final
from uuid import UUID

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
"""Ten bits at a time: a page of instances has more than a hundred ids."""
_SHIFTS: Final = range(120, -1, -10)
_SUFFIX: Final = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")
_PREFIX: Final = re.compile(r"[a-z]{2,8}")
_CHANCE_BITS: Final = 74
_STEP_BITS: Final = 56
_lock: Final = threading.Lock()
_last: Final = [0, 0]
"""Millisecond and random bits of the id before."""


class MalformedId(ValueError):
    """The text is not a TypeID of the expected kind."""


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562): 48 bits of milliseconds, then 74 random bits.

    Ids that one process makes within one millisecond are in order too (RFC 9562, 6.2, method 2): each lies above the last by a
    random step of up to 56 bits, so that rows of one instant sort as they were written and none can be guessed from another.
    """
    with _lock:
        moment = time.time_ns() // 1_000_000 & (1 << 48) - 1
        chance = (
            _last[1] + 1 + secrets.randbits(_STEP_BITS) if _last[0] == moment else secrets.randbits(_CHANCE_BITS - 1)
        )
        if chance >> _CHANCE_BITS:
            chance = secrets.randbits(_CHANCE_BITS - 1)
        _last[:] = (moment, chance)
    return UUID(int=moment << 80 | 0x7 << 76 | chance >> 62 << 64 | 0x2 << 62 | chance & (1 << 62) - 1)


def format_id(*, prefix: str, value: UUID) -> str:
    """The public form of a stored id, e.g. `ins_01j9…`.

    Raises:
        ValueError: The prefix is not 2 to 8 lower-case letters.
    """
    _check_prefix(prefix)
    number = value.int
    return f"{prefix}_{''.join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])}"


@lru_cache(maxsize=64)
def _check_prefix(prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix):
        message = f"not a prefix: {prefix!r}"
        raise ValueError(message)


def parse_id(*, prefix: str, text: str) -> UUID:
    """The stored id behind a public one.

    Raises:
        MalformedId: Wrong prefix, wrong length, or characters outside the alphabet. The caller answers as for an unknown id.
    """
    head, _, suffix = text.partition("_")
    if head != prefix or not _SUFFIX.fullmatch(suffix):
        message = f"not a {prefix} id"
        raise MalformedId(message)
    number = 0
    for character in suffix:
        number = number << 5 | _VALUES[character]
    return UUID(int=number)

"""One text for one value: the form of JSON that is hashed and signed. Pure."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted members, no blanks and no escapes but the necessary ones; anybody can make it again.

    Raises:
        TypeError: A member that JSON does not have, or a float: floats have more than one text.
    """
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def canonical_digest(value: Any) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        message = f"a float has no canonical text: {value!r}"
        raise TypeError(message)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    for item in items:
        _refuse_floats(item)

"""The vendors' accelerators that come with Ondol, as data; an operator adds others without a release."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from marketplace.inventory.operations import define_accelerator
from marketplace.kernel.actors import Actor

CATALOGUE: Final = Path(__file__).with_name("catalogue.json")


def read_catalogue() -> list[dict[str, Any]]:
    """The rows that come with Ondol; names as the vendors' plugins and discovery tools publish them, case included."""
    rows: list[dict[str, Any]] = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return rows


def load_catalogue(*, actor: Actor, now: datetime) -> int:
    """Add or correct every row that comes with Ondol; how many there are. Safe to repeat; own rows are left alone."""
    rows = read_catalogue()
    for row in rows:
        fields = {name: value for name, value in row.items() if name != "code"}
        define_accelerator(actor=actor, code=row["code"], fields=fields, now=now)
    return len(rows)

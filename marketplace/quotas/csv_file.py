"""Limits as a CSV file: one line per row, the same columns out and in. Pure.

`organization,scope,target,selector,meter,limit,enforcement,from,to` and, ignored when read, `name,used`. Times are dates of Seoul
or RFC 3339 instants; a period that ends on a day ends when that day begins.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from marketplace.kernel import ids
from marketplace.kernel.clock import KST
from marketplace.kernel.csv_cells import neutralise

REQUIRED: Final = ("organization", "scope", "target", "selector", "meter", "limit")
OPTIONAL: Final = ("enforcement", "from", "to", "name", "used")
ROWS_MAX: Final = 20_000
BYTES_MAX: Final = 4 * 1_048_576
TARGET_PREFIX: Final = {"tenant": "ten", "project": "prj", "member": "usr"}
KINDS: Final = frozenset({"gpu", "npu"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line as a file names it.

    Attributes:
        number: In the file, counting the heading as 1, as spreadsheets do.
        scope: tenant, project or member.
    """

    number: int
    tenant_id: UUID
    scope: str
    scope_id: UUID
    selector_kind: str
    selector: str
    meter: str
    limit: int
    enforcement: str
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """A row that cannot be used; 0 = the file."""

    number: int
    message: str | Promise


def read_rows(text: str) -> tuple[Sequence[Row], Sequence[RowError]]:
    """Every row, and every row that is malformed; whether the lines exist is not looked at."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    columns = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in REQUIRED + OPTIONAL]
    if missing or unknown:
        message = _("Columns missing: %(missing)s; unknown: %(unknown)s.")
        return [], [
            RowError(
                number=0, message=message % {"missing": ", ".join(missing) or "–", "unknown": ", ".join(unknown) or "–"}
            )
        ]
    rows: list[Row] = []
    errors: list[RowError] = []
    reader.fieldnames = columns
    for number, values in enumerate(reader, start=2):
        if number > ROWS_MAX + 1:
            errors.append(RowError(number=number, message=_("A file has at most 20,000 rows.")))
            break
        try:
            rows.append(_read_row(number, values))
        except ValueError as error:
            errors.append(RowError(number=number, message=error.args[0]))
    return rows, errors


def _read_row(number: int, values: Mapping[str, str | None]) -> Row:
    got = {name: (values.get(name) or "").strip() for name in REQUIRED + OPTIONAL}
    if None in values:
        raise ValueError(_("The row has more cells than the heading."))
    if got["scope"] not in TARGET_PREFIX:
        raise ValueError(_("scope is tenant, project or member."))
    tenant_id = _read_id("ten", got["organization"])
    scope_id = tenant_id if got["scope"] == "tenant" else _read_id(TARGET_PREFIX[got["scope"]], got["target"])
    if not (got["limit"].isascii() and got["limit"].isdigit() and len(got["limit"]) <= 10):
        raise ValueError(_("A limit is a whole number, 0 or more."))
    if got["meter"] not in {"devices", "instances", "storage_gib"}:
        raise ValueError(_("meter is devices, instances or storage_gib."))
    if got["enforcement"] not in {"", "hard", "warn"}:
        raise ValueError(_("enforcement is hard, warn or empty."))
    selector = got["selector"]
    kind = "any" if selector in {"", "any"} else "kind" if selector in KINDS else "accelerator"
    return Row(
        number=number, tenant_id=tenant_id, scope=got["scope"], scope_id=scope_id, selector_kind=kind,
        selector="" if kind == "any" else selector, meter=got["meter"], limit=int(got["limit"]),
        enforcement=got["enforcement"], starts_at=_read_instant(got["from"]), ends_at=_read_instant(got["to"]),
    )  # fmt: skip


def _read_id(prefix: str, text: str) -> UUID:
    try:
        return ids.parse_id(prefix=prefix, text=text)
    except ids.MalformedId as error:
        raise ValueError(_("An id of the form %(prefix)s_… is needed.") % {"prefix": prefix}) from error


def _read_instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=KST)
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(_("A time is a date such as 2026-12-01, or an instant with its offset.")) from error
    if found.tzinfo is None:
        raise ValueError(_("A time is a date such as 2026-12-01, or an instant with its offset."))
    return found


def write_rows(rows: Iterable[Mapping[str, object]]) -> str:
    """The file; cells that a spreadsheet would run as a formula begin with an apostrophe."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=REQUIRED + OPTIONAL, restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: neutralise(str(value)) for name, value in row.items()})
    return out.getvalue()

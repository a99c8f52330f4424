"""Usage as a file for spreadsheets: one row per interval, cut to the asked time."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from billing.metering.texts import explain_cause
from billing.usage_queries import IntervalPart
from marketplace.kernel import ids
from marketplace.kernel.csv_cells import neutralise

COLUMNS: Final = (
    "interval", "project", "instance", "name", "meter", "kind", "reason", "quantity", "started_at", "ended_at", "seconds",
    "amount", "amount_unit",
)  # fmt: skip


def write_usage(parts: Iterable[IntervalPart]) -> str:
    """CSV with a byte order mark, so that Korean is read as such; customers' text cannot become a formula."""
    text = io.StringIO()
    text.write("\ufeff")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(_cells(part) for part in parts)
    return text.getvalue()


def _cells(part: IntervalPart) -> list[object]:
    row, instance = part.interval, part.interval.instance
    return [
        ids.format_id(prefix="use", value=row.id),
        neutralise(row.project.name),
        ids.format_id(prefix="ins", value=instance.id) if instance else "",
        neutralise(instance.name) if instance else "",
        row.meter,
        row.kind,
        explain_cause(row.reason),
        row.quantity,
        _utc(part.started_at),
        _utc(part.ended_at) if part.ended_at else "",
        part.seconds,
        part.amount,
        part.amount_unit,
    ]


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

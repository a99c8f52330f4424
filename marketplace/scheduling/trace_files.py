"""Traces as CSV: nodes and requests in, checked row by row; nothing is replayed unless every row is good."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from marketplace.scheduling.simulator import NodeRow, RequestRow

NODE_COLUMNS: Final = ("node", "accelerator", "devices", "vcpu", "memory_mib")
REQUEST_COLUMNS: Final = (
    "request", "tenant", "submit_s", "duration_s", "devices", "nodes", "accelerators", "vcpu", "memory_mib", "priority",
    "interruptible",
)  # fmt: skip
_TRUTH: Final = {"true": True, "false": False, "": False}
Row = TypeVar("Row", NodeRow, RequestRow)


class TraceInvalid(ValueError):
    """A file that cannot be replayed; names the file and the line."""


def read_nodes(path: Path) -> list[NodeRow]:
    """The nodes of a file.

    Raises:
        TraceInvalid: A wrong header, number or duplicate, with its line.
    """
    return list(_unique(_read(path, NODE_COLUMNS, _node), path, lambda row: row.node))


def read_requests(path: Path) -> list[RequestRow]:
    """The requests of a file.

    Raises:
        TraceInvalid: A wrong header, number or duplicate, with its line.
    """
    return list(_unique(_read(path, REQUEST_COLUMNS, _request), path, lambda row: row.request))


def write_nodes(path: Path, rows: Iterable[NodeRow]) -> None:
    """Write a file that `read_nodes` reads."""
    _write(path, NODE_COLUMNS, ([row.node, row.accelerator, row.devices, row.vcpu, row.memory_mib] for row in rows))


def write_requests(path: Path, rows: Iterable[RequestRow]) -> None:
    """Write a file that `read_requests` reads."""
    lines = (
        [
            row.request, row.tenant, row.submit_s, "" if row.duration_s is None else row.duration_s, row.devices, row.nodes,
            "|".join(sorted(row.accelerators)), row.vcpu, row.memory_mib, row.priority, str(row.is_interruptible).lower(),
        ]
        for row in rows
    )  # fmt: skip
    _write(path, REQUEST_COLUMNS, lines)


def _write(path: Path, columns: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(lines)


def _read(path: Path, columns: Sequence[str], parse: Callable[[dict[str, str]], Row]) -> Iterator[tuple[int, Row]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise TraceInvalid(f"{path.name}: the columns are {', '.join(columns)}; {', '.join(missing)} missing")
            for line, fields in enumerate(reader, start=2):
                try:
                    yield line, parse({name: (fields[name] or "").strip() for name in columns})
                except ValueError as error:
                    raise TraceInvalid(f"{path.name}, line {line}: {error}") from error
    except OSError as error:
        raise TraceInvalid(f"{path.name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TraceInvalid(f"{path.name}: not UTF-8") from error


def _unique(rows: Iterable[tuple[int, Row]], path: Path, key: Callable[[Row], str]) -> Iterator[Row]:
    seen: dict[str, int] = {}
    for line, row in rows:
        name = key(row)
        if not name or name in seen:
            reason = f"{name!r} was on line {seen[name]} already" if name else "a name is missing"
            raise TraceInvalid(f"{path.name}, line {line}: {reason}")
        seen[name] = line
        yield row


def _node(fields: dict[str, str]) -> NodeRow:
    if not fields["accelerator"]:
        raise ValueError("accelerator is missing")
    return NodeRow(
        node=fields["node"],
        accelerator=fields["accelerator"],
        devices=_whole(fields, "devices", least=1),
        vcpu=_whole(fields, "vcpu", least=0),
        memory_mib=_whole(fields, "memory_mib", least=0),
    )


def _request(fields: dict[str, str]) -> RequestRow:
    if not fields["tenant"]:
        raise ValueError("tenant is missing")
    if fields["interruptible"].lower() not in _TRUTH:
        raise ValueError("interruptible is true or false")
    return RequestRow(
        request=fields["request"],
        tenant=fields["tenant"],
        submit_s=_number(fields, "submit_s", least=0.0),
        duration_s=_number(fields, "duration_s", least=0.0) if fields["duration_s"] else None,
        devices=_whole(fields, "devices", least=1),
        nodes=_whole(fields, "nodes", least=1) if fields["nodes"] else 1,
        accelerators=frozenset(name for name in fields["accelerators"].split("|") if name),
        vcpu=_number(fields, "vcpu", least=0.0) if fields["vcpu"] else 0.0,
        memory_mib=_whole(fields, "memory_mib", least=0) if fields["memory_mib"] else 0,
        priority=int(fields["priority"] or "0"),
        is_interruptible=_TRUTH[fields["interruptible"].lower()],
    )


def _whole(fields: dict[str, str], name: str, *, least: int) -> int:
    value = _number(fields, name, least=float(least))
    if value != int(value):
        raise ValueError(f"{name} is a whole number, not {fields[name]!r}")
    return int(value)


def _number(fields: dict[str, str], name: str, *, least: float) -> float:
    try:
        value = float(fields[name])
    except ValueError:
        value = float("nan")
    if not least <= value < float("inf"):
        raise ValueError(f"{name} is a number from {least:g}, not {fields[name]!r}")
    return value

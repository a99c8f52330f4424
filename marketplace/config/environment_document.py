"""Writes docs/operations/settings.md from the fields of `environment.py`: `python -m marketplace.config.environment_document`."""

from pathlib import Path

from pydantic.fields import FieldInfo

from marketplace.config.environment import Environment

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "operations" / "settings.md"

_HEAD = """# Settings

Ondol is configured by environment variables alone. This page is generated from `marketplace/config/environment.py`
(`python -m marketplace.config.environment_document`), and a test compares the two. A process with a required variable
missing or a value out of range stops at start-up and names it.

| variable | needed | meaning |
|---|---|---|
"""


def render_settings_document() -> str:
    """The page as it should be: one row for each setting, in the order of the class."""
    return _HEAD + "".join(_render_row(name, field) for name, field in Environment.model_fields.items())


def _render_row(name: str, field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split()).replace("|", "\\|")
    return f"| `ONDOL_{name.upper()}` | {_render_default(field)} | {meaning}{_render_limits(field)} |\n"


def _render_default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    return "default: empty" if field.default in ("", None) else f"default `{field.default}`"


def _render_limits(field: FieldInfo) -> str:
    choices = getattr(field.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return " One of " + ", ".join(f"`{choice}`" for choice in choices) + "."
    limits = {
        "ge": "at least {}",
        "gt": "more than {}",
        "le": "at most {}",
        "lt": "less than {}",
        "min_length": "at least {} characters",
    }
    said = [
        sentence.format(getattr(constraint, token))
        for constraint in field.metadata
        for token, sentence in limits.items()
        if getattr(constraint, token, None) is not None
    ]
    return f" ({', '.join(said)})" if said else ""


if __name__ == "__main__":
    DOCUMENT.parent.mkdir(parents=True, exist_ok=True)
    DOCUMENT.write_text(render_settings_document(), encoding="utf-8")

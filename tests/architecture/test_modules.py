"""Every module says what it is for, has a name that says more than "utils", and fits in a head."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import PRODUCT, PYTHON_TREES, ROOT, list_apps, list_modules, parse

MODULE_LINES_MAX = 450
"""~400 is the aim (CONTRIBUTING.md); the rest is room for imports."""
FUNCTION_LINES_MAX = 70
"""A function fits a screen, its docstring included."""
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "base_classes"}


def test_names_say_what_is_inside() -> None:
    offenders = [
        str(path)
        for path in list_modules(*PYTHON_TREES)
        if NAMES_THAT_SAY_NOTHING & {*path.parts[:-1], path.stem.lstrip("_")}
    ]
    assert offenders == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path) for path in list_modules(*PYTHON_TREES) if ast.get_docstring(parse(path)) is None and parse(path).body
    ]
    assert silent == []


def test_no_module_outgrows_a_head() -> None:
    lengths = {
        str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in list_modules(*PYTHON_TREES)
    }
    assert {path: lines for path, lines in lengths.items() if lines > MODULE_LINES_MAX} == {}


def _long_functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{path}:{node.lineno} {node.name}", lines


def test_no_function_outgrows_a_screen() -> None:
    long = dict(found for path in list_modules(*PYTHON_TREES) for found in _long_functions(path))
    assert long == {}


def _positional_arguments(path: Path) -> Iterator[str]:
    for node in parse(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            positional = [*node.args.posonlyargs, *node.args.args]
            if len(positional) > 1:
                yield f"{path}:{node.lineno} {node.name}({', '.join(arg.arg for arg in positional)})"


def test_operations_and_queries_take_keywords() -> None:
    """The modules that everybody calls; one leading subject may be positional."""
    callable_by_all = [
        path for path in list_modules(*PRODUCT) if {"operations", "queries"} & {path.stem, path.parent.name}
    ]
    assert [found for path in callable_by_all for found in _positional_arguments(path)] == []


@pytest.mark.parametrize("app", list_apps(), ids=str)
def test_every_app_explains_itself(app: Path) -> None:
    readme = ROOT / app / "README.md"
    assert readme.is_file(), f"{app} needs a README.md: its life cycle as numbered steps, and its invariants"
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "Invariants" in text

"""`-m` finds tests by their kind, also those that carry no mark of their own."""

import os
import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT

pytestmark = pytest.mark.integration

UNMARKED = "tests/architecture/test_modules.py"
WITH_DATABASE = "tests/accounts/test_create_operator.py"


def _count(kind: str, path: str) -> int:
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "--no-header", "-m", kind, path]
    # This run's own settings are not the other's.
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "ONDOL_", "PYTEST_"))}
    listed = subprocess.run(command, cwd=ROOT, env=outer, capture_output=True, text=True, check=False).stdout
    return sum(line.startswith(path) for line in listed.splitlines())


def test_a_test_without_a_mark_is_chosen_by_its_kind() -> None:
    assert _count("unit", UNMARKED) > 10
    assert _count("integration", UNMARKED) == 0


def test_a_test_with_the_database_is_an_integration_test() -> None:
    assert _count("integration", WITH_DATABASE) == 5
    assert _count("unit", WITH_DATABASE) == 0

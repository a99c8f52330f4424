"""The stand-alone program for auditors, loaded from its file; it shares no line with the product's rules."""

import importlib.util
from types import ModuleType

from devstack.paths import REPOSITORY

PROGRAM = REPOSITORY / "deploy/verify_evidence.py"


def load_verifier() -> ModuleType:
    """The program as a module."""
    spec = importlib.util.spec_from_file_location("verify_evidence", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

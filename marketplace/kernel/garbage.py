"""Python's garbage collector in processes that serve for days."""

import gc
from typing import Final

NEW_OBJECTS_PER_COLLECTION: Final = 10_000
"""Python's default of 700 has a page of instances interrupted several times; a quarter of its time went there (R1)."""


def settle_memory() -> None:
    """What stands now stays and is never looked at again; collections come seldom. Called once, when a process has loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS_PER_COLLECTION, 20, 50)

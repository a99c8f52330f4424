"""Metering: what is known of runs and other subjects → usage intervals, metered, excused or unknown.

`rules` (pure) says what each second is, `reading` gathers what is known, `recording` writes the difference, `lagging` finds what
was missed. Sites that meter themselves send `events` (pure), which `reported` writes; `untold` (pure) is what they did not tell.
How it becomes money is `billing.charging`.
"""

from billing.metering.lagging import list_expired_unknown, list_told_of, list_unmetered
from billing.metering.recording import meter_instance

__all__ = ["list_expired_unknown", "list_told_of", "list_unmetered", "meter_instance"]

"""Runs that were seen again after their cluster had been silent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marketplace.instances.models import RunSighting


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRun:
    """A pod of a run that is there again, under the same UID.

    Attributes:
        running_since: None when its container has the `startedAt` that it had; else the new one.
    """

    tenant_id: UUID
    instance_id: UUID
    attempt: int
    rank: int
    running_since: datetime | None


def record_seen_again(*, runs: Iterable[SeenRun], seen_at: datetime) -> None:
    """Keep that runs were seen again at `seen_at`; the meter decides by it what a silence was. Safe to repeat.

    Requires an open transaction of a staff actor.
    """
    RunSighting.objects.bulk_create(
        [
            RunSighting(
                tenant_id=run.tenant_id,
                instance_id=run.instance_id,
                attempt=run.attempt,
                rank=run.rank,
                seen_at=seen_at,
                running_since=run.running_since,
            )
            for run in runs
        ],
        ignore_conflicts=True,
    )

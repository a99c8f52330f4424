"""One instance that cannot be metered keeps no other waiting."""

from datetime import timedelta
from typing import Any

import pytest

from billing import metering
from billing.models import UsageInterval
from billing.tasks import meter_due, meter_instances
from marketplace.kernel.actors import as_actor
from tests.market import NOW, STAFF, add_renter, build_market, run_instance, see_clusters

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("is_swept", [True, False])
def test_the_others_are_metered_and_the_failure_is_still_told(
    is_swept: bool, monkeypatch: pytest.MonkeyPatch, time_machine: Any
) -> None:
    """By the sweep and by the hint alike, whichever comes first; the task fails, so that somebody sees it."""
    time_machine.move_to(NOW + timedelta(hours=1))
    build_market()
    renter = add_renter()
    instances = [run_instance(renter, started_at=NOW, ended_at=NOW + timedelta(minutes=1), name=name) for name in "abc"]
    see_clusters(now=NOW + timedelta(hours=1))
    broken = instances[0].id
    meter = metering.meter_instance

    def fail_for_one(*, instance_id: Any, **others: Any) -> Any:
        if instance_id == broken:
            raise ArithmeticError
        return meter(instance_id=instance_id, **others)

    monkeypatch.setattr(metering, "meter_instance", fail_for_one)
    with pytest.raises(ArithmeticError):
        if is_swept:
            meter_due()
        else:
            meter_instances([str(instance.id) for instance in instances])
    with as_actor(STAFF):
        assert {row.instance_id for row in UsageInterval.objects.all()} == {item.id for item in instances[1:]}

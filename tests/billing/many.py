"""A tenant that runs very many instances at once, written in bulk: what is measured is what is read of them."""

from datetime import datetime
from typing import Final
from uuid import UUID

from billing.models import SpendHold, UsageInterval
from marketplace.instances.models import Instance, InstanceTerm
from marketplace.inventory.models import Seller
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from tests.market import PRICE_MICROS, STAFF, Renter, SmallMarket

AT_ONCE: Final = 500
"""Rows in one statement, which has at most 65,535 parameters."""


def run_many(renter: Renter, market: SmallMarket, count: int, *, since: datetime) -> list[UUID]:
    """Have so many instances of one device run since an instant, each with its own terms and hold."""
    shared = {"tenant_id": renter.tenant.id, "project": renter.project}
    with as_actor(STAFF):
        seller = Seller.objects.get()
        instances = Instance.objects.bulk_create(
            (Instance(
                **shared, name=f"many-{number}", devices=1, image="a", state="running", state_changed_at=since,
                queued_at=since, created_by_name="test", created_at=since,
            )
            for number in range(count)),
            batch_size=AT_ONCE,
        )  # fmt: skip
        terms = InstanceTerm.objects.bulk_create(
            (InstanceTerm(
                tenant_id=renter.tenant.id, instance=instance, offer=market.offer, seller=seller, selling_mode="brokered",
                price_version_id=ids.new_id(), price_micros_per_device_hour=PRICE_MICROS, agreed_at=since,
            )
            for instance in instances),
            batch_size=AT_ONCE,
        )  # fmt: skip
        UsageInterval.objects.bulk_create(
            (UsageInterval(
                **shared, subject_kind="ins", subject_id=term.instance_id, instance_id=term.instance_id, term=term,
                meter="device", kind="metered", quantity=1, started_at=since, opened_by=ids.new_id(),
            )
            for term in terms),
            batch_size=AT_ONCE,
        )  # fmt: skip
        SpendHold.objects.bulk_create(
            (SpendHold(
                **shared, instance=instance, billing_profile_id=renter.project.billing_profile_id, seller=seller,
                hold_numerator=PRICE_MICROS * 3_600, estimate_numerator=PRICE_MICROS * 3_600, taken_at=since,
            )
            for instance in instances),
            batch_size=AT_ONCE,
        )  # fmt: skip
    return [instance.id for instance in instances]

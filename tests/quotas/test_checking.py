"""The nightly check finds what the deltas should never lose, alarms, and changes nothing."""

from io import StringIO

import pytest
from django.core.management import call_command

from marketplace.instances.models import Instance
from marketplace.inventory.models import Seller
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import Notice
from marketplace.quotas.models import Quota, QuotaHold, ScopeKind, SelectorKind
from marketplace.quotas.operations import find_drift, set_quota
from marketplace.quotas.tasks import check
from tests.billing.paying import prepay
from tests.market import NOW, STAFF, add_renter, build_market, rent_as
from tests.stateful.places import ATOM, H200, build_places

pytestmark = pytest.mark.django_db


def open_alarms() -> list[dict[str, int]]:
    """What operators are told."""
    with as_actor(STAFF):
        return list(Notice.objects.filter(code="quota.drift", resolved_at__isnull=True).values_list("facts", flat=True))


def run_command() -> tuple[int, str]:
    """Exit code and output of `manage.py check_quotas`."""
    out = StringIO()
    try:
        call_command("check_quotas", stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_what_adds_up_is_silent() -> None:
    build_market()
    rent_as(add_renter(quota=16), devices=3)
    assert check() == 0
    assert run_command() == (0, "1 organizations, 0 quotas that do not add up\n")
    assert open_alarms() == []


@pytest.mark.parametrize("broken", ["counter", "hold", "holder"])
def test_each_kind_of_drift_alarms_once_until_it_is_gone(broken: str) -> None:
    """A counter of its own, a hold that vanished, an instance without a hold."""
    build_market()
    renter = add_renter(quota=16)
    instance = rent_as(renter, devices=3)
    with as_actor(STAFF):
        if broken == "counter":
            Quota.objects.update(used=4)
        elif broken == "hold":
            QuotaHold.objects.update(released_at=NOW)
        else:
            Instance.objects.filter(id=instance.id).update(devices=5)
    before = list_rows()
    assert check() == 1
    assert check() == 1
    expected = {"counter": (4, 3, 3), "hold": (3, 0, 3), "holder": (3, 3, 5)}[broken]
    assert [(fact["used"], fact["held"], fact["expected"]) for fact in open_alarms()] == [expected]
    code, text = run_command()
    assert code == 1
    assert f"counter {expected[0]}, holds {expected[1]}, expected {expected[2]}" in text
    assert list_rows() == before, "the check changes nothing"
    with as_actor(STAFF):
        Quota.objects.update(used=3)
        QuotaHold.objects.update(released_at=None)
        Instance.objects.filter(id=instance.id).update(devices=3)
    assert check() == 0
    assert open_alarms() == []


def list_rows() -> list[object]:
    """Counters and holds."""
    with as_actor(STAFF):
        return [*Quota.objects.values_list("used", "limit"), *QuotaHold.objects.values_list("amount", "released_at")]


def test_accelerators_of_sellers_that_cannot_be_paid_hold_nothing() -> None:
    """The payer pays ahead and has credit with one of two sellers: the limit on the other one's accelerator is left alone."""
    build_places()
    renter = add_renter(data_classes=["open"], quota=16)
    with as_actor(STAFF):
        for code in (H200, ATOM):
            set_quota(
                actor=STAFF, tenant_id=renter.tenant.id, scope_kind=ScopeKind.TENANT, scope_id=renter.tenant.id,
                selector_kind=SelectorKind.ACCELERATOR, selector=code, limit=8, now=NOW,
            )  # fmt: skip
        seller_id = Seller.objects.get(business_number="2018100015").id
    prepay(renter, 1_000_000, seller=seller_id)
    instance = rent_as(renter, accelerators=[H200, ATOM], devices=2)
    with as_actor(STAFF):
        assert list(instance.terms.values_list("offer__code", flat=True)) == ["pangyo-h200"]
        assert dict(Quota.objects.values_list("selector", "used")) == {"": 2, H200: 2, ATOM: 0}
        assert list(find_drift(tenant_id=renter.tenant.id)) == []

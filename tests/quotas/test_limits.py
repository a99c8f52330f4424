"""Limits: what is refused, what runs already counts, periods, and what the database itself refuses."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError

from marketplace.instances.models import Instance
from marketplace.instances.states import Action
from marketplace.journeys.stop import request_action
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.kernel.models import AuditEntry, Notice
from marketplace.quotas.models import Enforcement, Meter, Quota, QuotaHold, QuotaPeriod, ScopeKind, SelectorKind
from marketplace.quotas.operations import (
    BelowUse,
    LineKey,
    QuotaAboveParent,
    QuotaBelowUse,
    QuotaEdit,
    QuotaExceeded,
    QuotaInvalid,
    QuotaPeriodInvalid,
    apply_due_periods,
    apply_edit,
    revoke_period,
    set_quota,
)
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def renter() -> Renter:
    """A bank without limits in a small market."""
    build_market()
    return add_renter(quota=None)


def line(renter: Renter, scope: ScopeKind = ScopeKind.TENANT, **changes: Any) -> LineKey:
    """The tenant's or project's line on any devices."""
    values: dict[str, Any] = {
        "tenant_id": renter.tenant.id, "scope_kind": scope, "selector_kind": SelectorKind.ANY, "selector": "",
        "scope_id": renter.project.id if scope is ScopeKind.PROJECT else renter.tenant.id, "meter": Meter.DEVICES,
    }  # fmt: skip
    return LineKey(**{**values, **changes})


def set_limit(renter: Renter, limit: int, *, scope: ScopeKind = ScopeKind.TENANT, **changes: Any) -> Quota:
    """As an operator."""
    named = {key: changes.pop(key) for key in ("selector_kind", "selector", "meter", "scope_id") if key in changes}
    edit = QuotaEdit(line=line(renter, scope, **named), limit=limit, **changes)
    with as_actor(STAFF):
        return apply_edit(actor=STAFF, edit=edit, reason="because", now=NOW)


def read(quota: Quota) -> Quota:
    """As stored."""
    with as_actor(STAFF):
        return Quota.objects.get(id=quota.id)


def test_what_runs_already_counts_into_a_new_limit(renter: Renter) -> None:
    """Two instances of two devices: a new limit of five has one left, and is freed by their end."""
    first, _second = rent_as(renter, name="a"), rent_as(renter, name="b")
    quota = set_limit(renter, 5)
    assert (quota.used, quota.limit) == (4, 5)
    with pytest.raises(QuotaExceeded):
        rent_as(renter, name="c")
    rent_as(renter, name="d", devices=1)
    with as_actor(renter.actor):
        request_action(actor=renter.actor, instance_id=first.id, action=Action.END, now=NOW)
    assert read(quota).used == 3


def test_a_new_limit_counts_only_what_it_selects(renter: Renter) -> None:
    rent_as(renter, devices=2)
    assert set_limit(renter, 5, selector_kind=SelectorKind.ACCELERATOR, selector="nvidia-h200").used == 2
    assert set_limit(renter, 5, selector_kind=SelectorKind.KIND, selector="gpu").used == 2
    assert set_limit(renter, 5, selector_kind=SelectorKind.KIND, selector="npu").used == 0
    assert set_limit(renter, 5, meter=Meter.INSTANCES).used == 1
    assert set_limit(renter, 5, meter=Meter.STORAGE_GIB).used == 0


@pytest.mark.parametrize(
    ("limit", "changes", "error"),
    [
        (-1, {}, QuotaInvalid),
        (2**31, {}, QuotaInvalid),
        (5, {"selector": "nvidia-h200"}, QuotaInvalid),
        (5, {"selector_kind": SelectorKind.KIND}, QuotaInvalid),
        (5, {"selector_kind": SelectorKind.ACCELERATOR, "selector": "no-such"}, QuotaInvalid),
        (5, {"selector_kind": SelectorKind.KIND, "selector": "gpu", "meter": Meter.STORAGE_GIB}, QuotaInvalid),
        (5, {"scope_id": ids.new_id()}, NotFound),
        (5, {"effective_from": NOW + DAY}, QuotaPeriodInvalid),
        (5, {"effective_from": NOW + 2 * DAY, "effective_to": NOW + DAY}, QuotaPeriodInvalid),
        (5, {"effective_from": NOW - 2 * DAY, "effective_to": NOW - DAY}, QuotaPeriodInvalid),
        (5, {"effective_from": NOW + DAY, "effective_to": NOW + 2 * DAY}, QuotaPeriodInvalid),
    ],
)
def test_what_cannot_be_a_limit_is_refused_and_nothing_is_written(
    renter: Renter, limit: int, changes: dict[str, Any], error: type[OndolError]
) -> None:
    with as_actor(STAFF):
        entries = AuditEntry.objects.count()
    with pytest.raises(error):
        set_limit(renter, limit, **changes)
    with as_actor(STAFF):
        assert not Quota.objects.exists()
        assert AuditEntry.objects.count() == entries


def test_a_limit_below_use_is_refused_unless_it_is_wanted_so(renter: Renter) -> None:
    """Wanted so, nothing is taken away and nothing new fits."""
    rent_as(renter, devices=4)
    quota = set_limit(renter, 8)
    with pytest.raises(QuotaBelowUse, match="quota_below_use"):
        set_limit(renter, 3)
    assert read(quota).limit == 8
    set_limit(renter, 3, below_use=BelowUse.KEEP)
    assert (read(quota).limit, read(quota).used) == (3, 4)
    with pytest.raises(QuotaExceeded):
        rent_as(renter, devices=1)
    set_limit(renter, 4)
    assert read(quota).limit == 4


def test_a_child_above_its_parent_is_refused_whichever_is_edited(renter: Renter) -> None:
    tenant = set_limit(renter, 8)
    with pytest.raises(QuotaAboveParent) as refused:
        set_limit(renter, 9, scope=ScopeKind.PROJECT)
    assert refused.value.facts["upper"] == 8
    set_limit(renter, 8, scope=ScopeKind.PROJECT)
    with pytest.raises(QuotaAboveParent):
        set_limit(renter, 7)
    assert read(tenant).limit == 8


def test_a_period_holds_within_its_days_and_then_the_permanent_limit_again(renter: Renter) -> None:
    quota = set_limit(renter, 2)
    set_limit(renter, 6, effective_from=NOW + DAY, effective_to=NOW + 2 * DAY)
    with pytest.raises(QuotaExceeded):
        rent_as(renter, devices=4)
    rent_as(renter, devices=4, now=NOW + DAY)
    assert (read(quota).limit, read(quota).base_limit, read(quota).used) == (6, 2, 4)
    with as_actor(STAFF):
        assert apply_due_periods(now=NOW + 2 * DAY) == 1
        assert apply_due_periods(now=NOW + 2 * DAY) == 0
    assert (read(quota).limit, read(quota).next_change_at, read(quota).used) == (2, None, 4)
    with pytest.raises(QuotaExceeded):
        rent_as(renter, devices=1, now=NOW + 2 * DAY)


def test_periods_that_overlap_are_refused_by_us_and_by_the_database(renter: Renter) -> None:
    quota = set_limit(renter, 2)
    set_limit(renter, 6, effective_from=NOW + DAY, effective_to=NOW + 5 * DAY)
    with pytest.raises(QuotaPeriodInvalid):
        set_limit(renter, 7, effective_from=NOW + 4 * DAY, effective_to=NOW + 6 * DAY)
    with pytest.raises(IntegrityError, match="quotas_period_no_overlap"), as_actor(STAFF):
        QuotaPeriod.objects.create(
            tenant_id=renter.tenant.id, quota=quota, limit=7, effective_from=NOW + 4 * DAY, effective_to=NOW + 6 * DAY,
            created_by_name="x", created_at=NOW,
        )  # fmt: skip


def test_a_revoked_period_gives_way_at_once(renter: Renter) -> None:
    quota = set_limit(renter, 2)
    set_limit(renter, 6, effective_from=NOW, effective_to=NOW + DAY)
    assert read(quota).limit == 6
    with as_actor(STAFF):
        period = QuotaPeriod.objects.get()
        revoke_period(actor=STAFF, period_id=period.id, reason="over", now=NOW)
        revoke_period(actor=STAFF, period_id=period.id, reason="over", now=NOW)
        assert AuditEntry.objects.filter(action="quota.period_revoked").count() == 1
    assert read(quota).limit == 2
    set_limit(renter, 5, effective_from=NOW, effective_to=NOW + DAY)
    assert read(quota).limit == 5


def test_a_limit_that_warns_lets_pass_and_tells_until_it_is_under_again(renter: Renter) -> None:
    set_limit(renter, 3, enforcement=Enforcement.WARN)
    rent_as(renter, devices=2, name="a")
    with as_actor(STAFF):
        assert not Notice.objects.exists()
    second = rent_as(renter, devices=2, name="b")
    with as_actor(STAFF):
        notice = Notice.objects.get()
    assert (notice.code, notice.tenant_id, notice.facts["used"]) == ("quota.over_limit", renter.tenant.id, 4)
    with as_actor(renter.actor):
        request_action(actor=renter.actor, instance_id=second.id, action=Action.END, now=NOW)
    with as_actor(STAFF):
        assert Notice.objects.get().resolved_at == NOW


def test_a_member_cannot_set_the_organizations_limit_but_a_projects(renter: Renter) -> None:
    quota = set_limit(renter, 4)
    tenants = QuotaEdit(line=line(renter), limit=100)
    with pytest.raises(QuotaInvalid), as_actor(renter.actor):
        apply_edit(actor=renter.actor, edit=tenants, reason="", now=NOW)
    with as_actor(renter.actor):
        apply_edit(
            actor=renter.actor, edit=QuotaEdit(line=line(renter, ScopeKind.PROJECT), limit=3), reason="", now=NOW
        )
    assert read(quota).limit == 4
    with pytest.raises(ProgrammingError, match="set by an operator"), as_actor(renter.actor):
        Quota.objects.filter(id=quota.id).update(base_limit=100, limit=100)
    with pytest.raises(ProgrammingError), as_actor(renter.actor):
        QuotaPeriod.objects.create(
            tenant_id=renter.tenant.id, quota=quota, limit=9, effective_from=NOW, effective_to=NOW + DAY,
            created_by_name="x", created_at=NOW,
        )  # fmt: skip


def test_the_database_refuses_an_over_grant_by_any_code(renter: Renter) -> None:
    quota = set_limit(renter, 4)
    with pytest.raises(IntegrityError, match="over-granted"), as_actor(STAFF):
        Quota.objects.filter(id=quota.id).update(used=5)
    with as_actor(STAFF):
        Quota.objects.filter(id=quota.id).update(used=4)


def test_a_members_limit_counts_in_its_project(renter: Renter) -> None:
    """Through another project the same person has more."""
    from tests.portal.test_pages import add_person  # noqa: PLC0415 - one person

    user = add_person(renter)
    person = Renter(
        tenant=renter.tenant,
        project=renter.project,
        actor=type(renter.actor)(
            **{name: getattr(renter.actor, name) for name in ("kind", "name", "tenant_id", "permissions")},
            user_id=user.id,
        ),
    )
    with as_actor(STAFF):
        set_quota(
            actor=STAFF, tenant_id=renter.tenant.id, scope_kind=ScopeKind.MEMBER, scope_id=user.id,
            within_project_id=renter.project.id, selector_kind=SelectorKind.ANY, selector="", limit=2, now=NOW,
        )  # fmt: skip
    rent_as(person, devices=2)
    with pytest.raises(QuotaExceeded):
        rent_as(person, devices=1)
    rent_as(renter, devices=1)
    with as_actor(STAFF):
        assert Instance.objects.count() == 2
        assert QuotaHold.objects.count() == 1

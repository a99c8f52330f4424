"""Many limits by a file: a plan first, then all or nothing, with every wrong row named."""

from typing import Any

import pytest

from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.kernel.models import AuditEntry
from marketplace.quotas.csv_file import Row, read_rows, write_rows
from marketplace.quotas.models import Quota, QuotaPeriod, QuotaRequest
from marketplace.quotas.operations import BelowUse, BulkInvalid, BulkPlan, Thresholds, apply_bulk, plan_bulk
from marketplace.tenants.models import Sector, Tenant
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as

pytestmark = pytest.mark.django_db
HEAD = "organization,scope,target,selector,meter,limit,enforcement,from,to\n"
THRESHOLDS = Thresholds(units=100, storage_gib=1_000)


@pytest.fixture
def bank() -> Renter:
    """A bank with a limit of 16."""
    build_market()
    return add_renter(quota=16)


def rows_of(text: str) -> list[Row]:
    """A file without malformed rows."""
    rows, errors = read_rows(HEAD + text)
    assert errors == []
    return list(rows)


def ten(renter: Renter) -> str:
    """The organization as a file names it."""
    return ids.format_id(prefix="ten", value=renter.tenant.id)


def prj(renter: Renter) -> str:
    """The project as a file names it."""
    return ids.format_id(prefix="prj", value=renter.project.id)


def apply(rows: list[Row], **changes: Any) -> BulkPlan:
    """As an operator."""
    values = {"below_use": BelowUse.REFUSE, "thresholds": THRESHOLDS, **changes}
    with as_actor(STAFF):
        return apply_bulk(actor=STAFF, rows=rows, reason="yearly", now=NOW, **values)


def limits() -> dict[str, int]:
    """Every line's permanent limit."""
    with as_actor(STAFF):
        return {f"{q.scope_kind} {q.selector or 'any'} {q.meter}": q.base_limit for q in Quota.objects.all()}


def test_a_file_sets_lines_of_every_level_and_periods(bank: Renter) -> None:
    """In any order: the project's row stands before the tenant's that makes room for it."""
    text = (
        f"{ten(bank)},project,{prj(bank)},any,devices,20,,,\n"
        f"{ten(bank)},tenant,,any,devices,24,,,\n"
        f"{ten(bank)},tenant,,nvidia-h200,devices,8,warn,,\n"
        f"{ten(bank)},tenant,,,storage_gib,500,,,\n"
    )
    plan = apply(rows_of(text))
    assert [item.before for item in plan.edits] == [None, 16, None, None]
    assert limits() == {
        "tenant any devices": 24, "project any devices": 20, "tenant nvidia-h200 devices": 8, "tenant any storage_gib": 500,
    }  # fmt: skip
    apply(rows_of(f"{ten(bank)},tenant,,any,devices,30,,2026-12-01,2027-01-01\n"))
    with as_actor(STAFF):
        period = QuotaPeriod.objects.get()
        assert AuditEntry.objects.filter(action="quota.set", reason="yearly").count() == 5
    assert (period.limit, period.effective_from.isoformat()) == (30, "2026-11-30T15:00:00+00:00")


def test_a_plan_writes_nothing(bank: Renter) -> None:
    before = limits()
    with as_actor(STAFF):
        entries = AuditEntry.objects.count()
        plan = plan_bulk(
            rows=rows_of(f"{ten(bank)},tenant,,any,devices,24,,,\n"),
            below_use=BelowUse.REFUSE,
            thresholds=THRESHOLDS,
            now=NOW,
        )
        assert AuditEntry.objects.count() == entries
    assert [(item.before, item.edit.limit, item.used) for item in plan.edits] == [(16, 24, 0)]
    assert limits() == before


def ten_thousand() -> list[str]:
    """2,500 new organizations with four lines each."""
    with as_actor(STAFF):
        tenants = Tenant.objects.bulk_create(Tenant(name=f"기관 {n}", sector=Sector.PUBLIC) for n in range(2_500))
    lines = []
    for tenant in tenants:
        name = ids.format_id(prefix="ten", value=tenant.id)
        selected = (("any", 9), ("gpu", 8), ("npu", 7), ("nvidia-h200", 6))
        lines += [f"{name},tenant,,{selector},devices,{limit},,," for selector, limit in selected]
    return lines


def test_ten_thousand_rows_with_one_error_change_nothing_and_name_the_row(bank: Renter) -> None:
    """Row 7,777 has a project above its organization's limit."""
    broken = ten_thousand()
    broken[7_775] = f"{ten(bank)},project,{prj(bank)},any,devices,17,,,"
    with as_actor(STAFF):
        entries = AuditEntry.objects.count()
    with pytest.raises(BulkInvalid) as refused:
        apply(rows_of("\n".join(broken)))
    assert (refused.value.facts["count"], refused.value.facts["row"]) == (1, 7_777)
    assert limits() == {"tenant any devices": 16}
    with as_actor(STAFF):
        assert AuditEntry.objects.count() == entries


@pytest.mark.long
def test_ten_thousand_rows_are_done_at_once(bank: Renter) -> None:
    apply(rows_of("\n".join(ten_thousand())))
    with as_actor(STAFF):
        assert Quota.objects.count() == 10_001
        assert AuditEntry.objects.filter(action="quota.set", reason="yearly").count() == 10_000


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{ten},tenant,,any,devices,-1,,,", "whole number"),
        ("{ten},tenant,,any,devices,1.5,,,", "whole number"),
        ("{ten},galaxy,,any,devices,1,,,", "scope is"),
        ("ten_0,tenant,,any,devices,1,,,", "ten_…"),
        ("{ten},tenant,,any,watts,1,,,", "meter is"),
        ("{ten},tenant,,any,devices,1,maybe,,", "enforcement"),
        ("{ten},tenant,,any,devices,1,,soon,2026-12-01", "A time is"),
        ("{ten},tenant,,any,devices,1,,2026-12-01T00:00,2026-12-02", "A time is"),
        ("{ten},tenant,,any,devices,1,,,,,,extra", "more cells"),
    ],
)
def test_a_malformed_row_is_named(bank: Renter, row: str, says: str) -> None:
    from django.utils import translation  # noqa: PLC0415 - beside its use

    with translation.override("en"):
        rows, errors = read_rows(HEAD + f"{ten(bank)},tenant,,any,devices,1,,,\n" + row.format(ten=ten(bank)))
        assert len(rows) == 1
        assert [error.number for error in errors] == [3]
        assert says in str(errors[0].message)


@pytest.mark.parametrize(
    "row",
    [
        "{ten},tenant,,no-such,devices,1,,,",
        "{ten},tenant,,any,devices,2,,,",
        "{ten},tenant,,any,devices,16,,2026-12-02,2026-12-01",
        "{ten},project,{unknown},any,devices,1,,,",
        "{other},tenant,,any,devices,1,,,",
        "{ten},project,{prj},any,devices,17,,,",
        "{ten},tenant,,npu,devices,1,,2026-12-01,2026-12-02",
    ],
)
def test_a_row_that_breaks_the_tree_is_named_and_nothing_is_written(bank: Renter, row: str) -> None:
    rent_as(bank, devices=3)
    before = limits()
    text = f"{ten(bank)},tenant,,gpu,devices,9,,,\n" + row.format(
        ten=ten(bank), prj=prj(bank), unknown=ids.format_id(prefix="prj", value=ids.new_id()),
        other=ids.format_id(prefix="ten", value=ids.new_id()),
    )  # fmt: skip
    with pytest.raises(BulkInvalid) as refused:
        apply(rows_of(text))
    assert refused.value.facts["row"] == 3
    assert limits() == before


def test_a_line_named_twice_is_refused(bank: Renter) -> None:
    text = f"{ten(bank)},tenant,,any,devices,9,,,\n" * 2
    with pytest.raises(BulkInvalid) as refused:
        apply(rows_of(text))
    assert refused.value.facts["row"] == 3


def test_large_raises_of_a_file_wait_for_a_second_person(bank: Renter) -> None:
    text = f"{ten(bank)},tenant,,any,devices,200,,,\n{ten(bank)},tenant,,gpu,devices,10,,,\n"
    plan = apply(rows_of(text))
    assert [item.needs_second for item in plan.edits] == [True, False]
    assert limits() == {"tenant any devices": 16, "tenant gpu devices": 10}
    with as_actor(STAFF):
        assert QuotaRequest.objects.get().status == "awaiting_second"


def test_columns_that_are_missing_or_unknown_are_named_and_formulas_are_neutral() -> None:
    rows, errors = read_rows("organization,scope,colour\n")
    assert rows == []
    assert "target" in str(errors[0].message)
    assert "colour" in str(errors[0].message)
    assert "'=1+1" in write_rows([{"organization": "x", "name": "=1+1"}])

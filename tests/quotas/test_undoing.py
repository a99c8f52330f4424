"""What one just did can be taken back for half a minute, by the same checks that let it through."""

from datetime import timedelta
from uuid import uuid4

import pytest

from marketplace.kernel.actors import Actor, ActorKind, as_actor
from marketplace.kernel.models import AuditEntry, Notice
from marketplace.quotas.models import (
    LimitChange,
    Meter,
    Quota,
    QuotaPeriod,
    QuotaRequest,
    ScopeKind,
    SelectorKind,
    Share,
    ShareScope,
)
from marketplace.quotas.operations import (
    LineKey,
    QuotaBelowUse,
    QuotaEdit,
    QuotaRequestPending,
    ShareEdit,
    Thresholds,
    UndoOvertaken,
    UndoTooLate,
    apply_edit,
    approve_request,
    ask_quota,
    refuse_request,
    revoke_period,
    revoke_share,
    set_share,
    undo_decision,
    undo_edits,
)
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as

pytestmark = pytest.mark.django_db

OPERATOR = Actor(kind=ActorKind.OPERATOR, name="one@ondol.example", user_id=uuid4())
OTHER = Actor(kind=ActorKind.OPERATOR, name="two@ondol.example", user_id=uuid4())
LATER = NOW + timedelta(seconds=30)
TOO_LATE = NOW + timedelta(seconds=31)
NO_SECOND = Thresholds(units=None, storage_gib=None)


@pytest.fixture
def bank(db: None) -> Renter:
    """A bank with a limit of 16 beside 128 devices."""
    build_market(devices=128)
    return add_renter(quota=16)


def line(bank: Renter, *, is_project: bool = False) -> LineKey:
    return LineKey(
        tenant_id=bank.tenant.id,
        scope_kind=ScopeKind.PROJECT if is_project else ScopeKind.TENANT,
        scope_id=bank.project.id if is_project else bank.tenant.id,
        selector_kind=SelectorKind.ANY,
        selector="",
        meter=Meter.DEVICES,
    )


def edit(bank: Renter, limit: int, **changes: object) -> None:
    is_project = bool(changes.pop("is_project", False))
    wanted = QuotaEdit(line=line(bank, is_project=is_project), limit=limit, **changes)  # type: ignore[arg-type]
    with as_actor(OPERATOR):
        apply_edit(actor=OPERATOR, edit=wanted, reason="r", now=NOW)


def undo(actor: Actor = OPERATOR, *, at: object = LATER) -> int:
    with as_actor(actor):
        return undo_edits(actor=actor, made_at=NOW, now=at)  # type: ignore[arg-type]


def limits() -> list[tuple[str, int, int]]:
    with as_actor(STAFF):
        return sorted(Quota.objects.values_list("scope_kind", "base_limit", "limit"))


def test_an_edit_is_taken_back_once_and_both_are_on_the_audit_log(bank: Renter) -> None:
    edit(bank, 24)
    assert undo() == 1
    assert limits() == [("tenant", 16, 16)]
    with pytest.raises(UndoTooLate):
        undo()
    with as_actor(STAFF):
        entries = AuditEntry.objects.filter(action="quota.set", actor_name=OPERATOR.name).order_by("id")
        assert [entry.changes["limit"] for entry in entries] == [[16, 24], [24, 16]]
        first = LimitChange.objects.filter(made_by_id=OPERATOR.user_id).order_by("made_at").first()
    assert first is not None
    assert (first.before, first.after) == (
        {"limit": 16, "enforcement": "hard"},
        {"limit": 24, "enforcement": "hard"},
    )
    assert first.undone_at == LATER


def test_neither_too_late_nor_by_another_nor_over_somebody_elses_edit(bank: Renter) -> None:
    edit(bank, 24)
    with pytest.raises(UndoTooLate):
        undo(at=TOO_LATE)
    with pytest.raises(UndoTooLate):
        undo(OTHER)
    with as_actor(OTHER):
        apply_edit(actor=OTHER, edit=QuotaEdit(line=line(bank), limit=32), reason="r", now=LATER)
    with pytest.raises(UndoOvertaken):
        undo()
    assert limits() == [("tenant", 32, 32)]


def test_what_runs_meanwhile_keeps_its_limit(bank: Renter) -> None:
    edit(bank, 24)
    for _number in range(3):
        rent_as(bank, devices=8)
    with pytest.raises(QuotaBelowUse):
        undo()
    assert limits() == [("tenant", 24, 24)]


def test_a_new_line_leaves_nothing_behind(bank: Renter) -> None:
    rent_as(bank)
    edit(bank, 8, is_project=True)
    assert limits() == [("project", 8, 8), ("tenant", 16, 16)]
    undo()
    assert limits() == [("tenant", 16, 16)]
    rent_as(bank, devices=8)


def test_edits_of_one_instant_go_back_together_whatever_their_order(bank: Renter) -> None:
    """The project may grow only after the organization has; they shrink the other way round."""
    with as_actor(STAFF):
        apply_edit(actor=STAFF, edit=QuotaEdit(line=line(bank, is_project=True), limit=16), reason="r", now=NOW)
    edit(bank, 32)
    edit(bank, 32, is_project=True)
    assert undo() == 2
    assert limits() == [("project", 16, 16), ("tenant", 16, 16)]


def test_a_period_is_revoked_and_a_revoked_one_comes_back(bank: Renter) -> None:
    begins, ends = NOW - timedelta(days=1), NOW + timedelta(days=7)
    edit(bank, 30, effective_from=begins, effective_to=ends)
    assert limits() == [("tenant", 16, 30)]
    undo()
    assert limits() == [("tenant", 16, 16)]
    edit(bank, 40, effective_from=begins, effective_to=ends)
    at = NOW + timedelta(seconds=5)
    with as_actor(OPERATOR):
        period = QuotaPeriod.objects.get(revoked_at__isnull=True)
        revoke_period(actor=OPERATOR, period_id=period.id, reason="r", now=at)
        assert undo_edits(actor=OPERATOR, made_at=at, now=at) == 1
    assert limits() == [("tenant", 16, 40)]


def test_a_share_goes_back_to_what_it_was(bank: Renter) -> None:
    def share(limit: int) -> ShareEdit:
        return ShareEdit(
            scope_kind=ShareScope.SECTOR, sector="finance", selector_kind=SelectorKind.ANY, selector="",
            meter=Meter.DEVICES, limit=limit, overcommit_percent=150,
        )  # fmt: skip

    def shares() -> list[int]:
        with as_actor(STAFF):
            return list(Share.objects.filter(revoked_at__isnull=True).values_list("limit", flat=True))

    with as_actor(OPERATOR):
        set_share(actor=OPERATOR, edit=share(100), reason="r", now=NOW)
    undo()
    assert shares() == []
    with as_actor(STAFF):
        set_share(actor=STAFF, edit=share(100), reason="r", now=NOW)
    with as_actor(OPERATOR):
        set_share(actor=OPERATOR, edit=share(60), reason="r", now=LATER)
        undo_edits(actor=OPERATOR, made_at=LATER, now=LATER)
    assert shares() == [100]
    at = NOW + timedelta(seconds=40)
    with as_actor(OPERATOR):
        stored = Share.objects.get(revoked_at__isnull=True)
        revoke_share(actor=OPERATOR, share_id=stored.id, reason="r", now=at)
        assert undo_edits(actor=OPERATOR, made_at=at, now=at) == 1
    with as_actor(STAFF):
        assert Share.objects.get(revoked_at__isnull=True).overcommit_percent == 150


def ask(bank: Renter, limit: int = 20) -> QuotaRequest:
    with as_actor(bank.actor):
        quota = Quota.objects.get(scope_kind="tenant")
        return ask_quota(actor=bank.actor, quota_id=quota.id, wanted_limit=limit, justification="For a model.", now=NOW)


def test_an_approval_is_taken_back_and_the_organization_is_not_told_of_it_any_more(bank: Renter) -> None:
    asked = ask(bank)
    with as_actor(OPERATOR):
        approve_request(
            actor=OPERATOR, request_id=asked.id, granted_limit=18, reason="r", thresholds=NO_SECOND, now=NOW
        )
    assert limits() == [("tenant", 18, 18)]
    with as_actor(OPERATOR):
        undone = undo_decision(actor=OPERATOR, request_id=asked.id, now=LATER)
    assert (undone.status, undone.granted_limit, undone.decided_by_name) == ("open", None, "")
    assert limits() == [("tenant", 16, 16)]
    with as_actor(STAFF):
        assert not Notice.objects.filter(tenant_id=bank.tenant.id, resolved_at__isnull=True).exists()
        kinds = list(undone.events.order_by("id").values_list("kind", flat=True))
    assert kinds == ["asked", "partly_approved", "undone"]


def test_a_refusal_is_taken_back_unless_they_asked_anew(bank: Renter) -> None:
    asked = ask(bank)
    with as_actor(OPERATOR):
        refuse_request(actor=OPERATOR, request_id=asked.id, reason="r", now=NOW)
    with pytest.raises(UndoTooLate), as_actor(OTHER):
        undo_decision(actor=OTHER, request_id=asked.id, now=LATER)
    ask(bank, 30)
    with pytest.raises(QuotaRequestPending), as_actor(OPERATOR):
        undo_decision(actor=OPERATOR, request_id=asked.id, now=LATER)
    with as_actor(STAFF):
        assert QuotaRequest.objects.get(id=asked.id).status == "refused"


def test_a_first_approval_is_taken_back_before_the_second(bank: Renter) -> None:
    asked = ask(bank, 100)
    thresholds = Thresholds(units=32, storage_gib=None)
    with as_actor(OPERATOR):
        approve_request(
            actor=OPERATOR, request_id=asked.id, granted_limit=100, reason="r", thresholds=thresholds, now=NOW
        )
        undone = undo_decision(actor=OPERATOR, request_id=asked.id, now=LATER)
    assert (undone.status, undone.first_approved_at) == ("open", None)
    with as_actor(OTHER):
        approve_request(
            actor=OTHER, request_id=asked.id, granted_limit=100, reason="r", thresholds=thresholds, now=LATER
        )
    with as_actor(OPERATOR):
        at = LATER + timedelta(seconds=1)
        approve_request(
            actor=OPERATOR, request_id=asked.id, granted_limit=100, reason="r", thresholds=thresholds, now=at
        )
        undone = undo_decision(actor=OPERATOR, request_id=asked.id, now=at)
    assert (undone.status, undone.first_approved_by_name) == ("awaiting_second", OTHER.name)
    assert limits() == [("tenant", 16, 16)]

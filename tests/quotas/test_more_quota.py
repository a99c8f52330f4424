"""Whatever is in use: a request that is accepted is accepted with any limit raised, and the other way round with any lowered."""

from contextlib import suppress

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace.kernel.actors import as_actor
from marketplace.quotas.models import Meter, ScopeKind, SelectorKind
from marketplace.quotas.operations import BelowUse, QuotaAboveParent, QuotaExceeded, set_quota
from tests.market import NOW, STAFF, Renter, add_renter, build_market, rent_as

pytestmark = pytest.mark.django_db

LINES = st.lists(
    st.tuples(
        st.sampled_from([ScopeKind.TENANT, ScopeKind.PROJECT]), st.sampled_from(["", "gpu", "npu", "nvidia-h200"]),
        st.sampled_from([Meter.DEVICES, Meter.INSTANCES]), st.integers(0, 9), st.integers(0, 4),
    ),
    min_size=1, max_size=5, unique_by=lambda line: line[:3],
)  # fmt: skip
"""Scope, selector, meter, limit, and by how much it is raised."""
Line = tuple[ScopeKind, str, Meter, int, int]
outcomes: set[tuple[bool, bool]] = set()


def set_limits(renter: Renter, lines: list[Line], *, is_raised: bool) -> None:
    """Parents first; a limit above its parent's is refused and stays as it is."""
    for scope, selector, meter, limit, more in sorted(lines, key=lambda line: line[0] != ScopeKind.TENANT):
        kind = SelectorKind.ANY if not selector else SelectorKind.ACCELERATOR
        kind = SelectorKind.KIND if selector in ("gpu", "npu") else kind
        with suppress(QuotaAboveParent), as_actor(STAFF), transaction.atomic():
            set_quota(
                actor=STAFF, tenant_id=renter.tenant.id, scope_kind=scope, selector_kind=kind, selector=selector, meter=meter,
                scope_id=renter.tenant.id if scope == ScopeKind.TENANT else renter.project.id,
                limit=limit + more * is_raised, below_use=BelowUse.KEEP, now=NOW,
            )  # fmt: skip


def is_accepted(renter: Renter, *, devices: int) -> bool:
    """Whether it may be rented; it is then forgotten."""
    with transaction.atomic():
        try:
            rent_as(renter, devices=devices)
        except QuotaExceeded:
            return False
        finally:
            transaction.set_rollback(True)
    return True


def test_more_quota_never_makes_a_request_impossible() -> None:
    """For any lines of tenant and project, of any, a kind or an accelerator, in devices or instances, and any use of them."""
    build_market()
    renter = add_renter(quota=None)

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(LINES, st.lists(st.integers(1, 4), max_size=3), st.integers(1, 8))
    def check(lines: list[Line], in_use: list[int], devices: int) -> None:
        with transaction.atomic():
            for own in in_use:
                rent_as(renter, devices=own)
            set_limits(renter, lines, is_raised=False)
            before = is_accepted(renter, devices=devices)
            set_limits(renter, lines, is_raised=True)
            after = is_accepted(renter, devices=devices)
            transaction.set_rollback(True)
        assert after >= before
        outcomes.add((before, after))

    check()
    assert outcomes >= {(True, True), (False, False)}

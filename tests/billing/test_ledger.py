"""The ledger by itself: what it refuses, that it sums to zero, and that what is stored is what can be rebuilt."""

import threading
from collections.abc import Callable
from functools import partial
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.ledger import (
    AccountKind,
    Entry,
    LedgerAmountInvalid,
    LedgerKeyReused,
    LedgerUnbalanced,
    Posting,
    find_difference,
    fold_balances,
    post,
    post_many,
    read_balance,
    read_balances,
    rebuild_balances,
)
from billing.models import LedgerAccount, LedgerBalance, LedgerPosting, LedgerTransaction
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor, savepoint
from tests.market import NOW, STAFF

pytestmark = pytest.mark.django_db

TENANT, SELLER = uuid4(), uuid4()
KINDS = list(AccountKind)


def entry(key: str, *amounts: tuple[AccountKind, int], tenant_id: UUID = TENANT) -> Entry:
    """A transaction of these sides."""
    sides = tuple(Posting(kind=kind, amount_won=amount) for kind, amount in amounts)
    return Entry(tenant_id=tenant_id, seller_id=SELLER, key=key, postings=sides, occurred_at=NOW)


def sale(key: str, won: int, tenant_id: UUID = TENANT) -> Entry:
    """A receivable against revenue."""
    return entry(key, (AccountKind.RECEIVABLE, won), (AccountKind.REVENUE, -won), tenant_id=tenant_id)


def receivable() -> int:
    """The tenant's, as a reader sees it."""
    return read_balance(tenant_id=TENANT, seller_id=SELLER, kind=AccountKind.RECEIVABLE)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (entry("bad", (AccountKind.RECEIVABLE, 10)), LedgerUnbalanced),
        (entry("bad", (AccountKind.RECEIVABLE, 10), (AccountKind.REVENUE, -9)), LedgerUnbalanced),
        (entry("bad"), LedgerUnbalanced),
        (entry("bad", (AccountKind.RECEIVABLE, 0)), LedgerUnbalanced),
        (entry("bad", (AccountKind.RECEIVABLE, 1.5), (AccountKind.REVENUE, -1.5)), LedgerAmountInvalid),  # type: ignore[arg-type]
        (entry("bad", (AccountKind.RECEIVABLE, True), (AccountKind.REVENUE, -1)), LedgerAmountInvalid),
    ],
)
def test_what_is_not_whole_and_balanced_is_refused_with_everything_posted_beside_it(
    bad: Entry, error: type[Exception]
) -> None:
    """One side, a difference, nothing at all, a fraction: the good transaction of the same batch is not written either."""
    with as_actor(STAFF):
        with pytest.raises(error):
            post_many(entries=[sale("good", 5), bad])
        assert (LedgerTransaction.objects.count(), LedgerPosting.objects.count()) == (0, 0)


def test_a_key_is_posted_once_and_another_body_is_refused_with_the_whole_batch() -> None:
    """Order of the sides does not matter; amounts do."""
    with as_actor(STAFF):
        first = post_many(entries=[sale("a", 10)])
        turned = entry("a", (AccountKind.REVENUE, -10), (AccountKind.RECEIVABLE, 10))
        assert post_many(entries=[turned, sale("b", 1)])["a"] == first["a"]
        with pytest.raises(LedgerKeyReused, match="ledger_key_reused"), savepoint():
            post_many(entries=[sale("c", 1), sale("a", 11)])
        assert sorted(LedgerTransaction.objects.values_list("key", flat=True)) == ["a", "b"]
        assert receivable() == 11
        with pytest.raises(ValueError, match="once"):
            post_many(entries=[sale("d", 1), sale("d", 1)])
        assert find_difference() is None


def test_the_database_refuses_a_side_added_later_and_a_change() -> None:
    """Behind the function's back, even by the staff role."""
    with as_actor(STAFF):
        posted = post(tenant_id=TENANT, seller_id=SELLER, key="a", postings=sale("a", 10).postings, occurred_at=NOW)
        account = LedgerAccount.objects.get(kind="revenue")
        with pytest.raises(DatabaseError, match="is off by 5 won"), savepoint():
            LedgerPosting.objects.create(tenant_id=TENANT, transaction=posted, account=account, amount_won=5)
        with connection.cursor() as cursor, pytest.raises(DatabaseError, match="append-only|denied"), savepoint():
            cursor.execute("UPDATE billing_ledgerposting SET amount_won = amount_won * 2")
        assert find_difference() is None


AMOUNTS = st.integers(min_value=-(10**12), max_value=10**12)
SIDES = st.lists(st.tuples(st.sampled_from(KINDS), AMOUNTS), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(SIDES, min_size=1, max_size=4), min_size=1, max_size=5), data=st.data())
def test_any_postings_sum_to_zero_and_rebuilt_balances_are_the_stored_ones(
    batches: list[list[list[tuple[AccountKind, int]]]], data: st.DataObject
) -> None:
    """Random transactions in random batches, folded at random moments, against sums made here."""
    expected: dict[AccountKind, int] = dict.fromkeys(KINDS, 0)
    tenant_id = uuid4()
    with as_actor(STAFF):
        for batch in batches:
            entries = []
            for sides in batch:
                balanced = [*sides, (AccountKind.RECEIVABLE, -sum(amount for _kind, amount in sides))]
                if all(amount == 0 for _kind, amount in balanced):
                    continue
                if not any(sum(a for k, a in balanced if k is kind) for kind in KINDS):
                    continue
                entries.append(entry(f"k:{ids.new_id()}", *balanced, tenant_id=tenant_id))
                for kind, amount in balanced:
                    expected[kind] += amount
            post_many(entries=entries)
            if data.draw(st.booleans()):
                fold_balances()
        found = read_balances(tenant_ids=[tenant_id], kinds=KINDS)
        assert {kind: found.get((tenant_id, SELLER, kind), 0) for kind in KINDS} == expected
        assert sum(found.values()) == 0
        rebuild_balances()
        assert read_balances(tenant_ids=[tenant_id], kinds=KINDS) == found
        assert find_difference() is None


@pytest.mark.committing
def test_balances_are_exact_before_while_and_after_others_post_and_fold() -> None:
    """Four posters and two folders on one hot account, with real commits; no posting is lost or counted twice."""
    errors: list[BaseException] = []

    def together(*steps: Callable[[], object]) -> None:
        try:
            for step in steps:
                with as_actor(STAFF):
                    step()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)
        finally:
            connection.close()

    def posts(number: int) -> list[Callable[[], object]]:
        both = ((sale(f"hot:{number}:{index}", 3), sale(f"shared:{index}", 1)) for index in range(25))
        return [partial(post_many, entries=pair) for pair in both]

    work = [posts(number) for number in range(4)] + [[fold_balances] * 15, [fold_balances] * 15]
    threads = [threading.Thread(target=together, args=steps) for steps in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with as_actor(STAFF):
        assert receivable() == 4 * 25 * 3 + 25
        # How much of it is folded depends on what else runs on the server; the sum does not.
        fold_balances()
    with as_actor(STAFF):
        assert receivable() == 325
        assert find_difference() is None


@pytest.mark.committing
def test_the_check_names_the_first_thing_that_was_tampered_with() -> None:
    """A stored balance is off by one won; rebuilding mends it."""
    with as_actor(STAFF):
        post_many(entries=[sale("one", 10), sale("two", 20)])
    with as_actor(STAFF):
        revenue = LedgerAccount.objects.get(kind="revenue")
        border = max(LedgerPosting.objects.values_list("xid", flat=True)) + 1
        LedgerBalance.objects.update_or_create(
            account=revenue, defaults={"tenant_id": TENANT, "balance_won": -31, "folded_xid": border}
        )
        found = find_difference()
        assert found is not None
        assert (found.check, found.name.split()[0]) == ("stored_balance", "revenue")
        assert (found.expected_won, found.actual_won) == (-30, -31)
        rebuild_balances()
    with as_actor(STAFF):
        assert find_difference() is None


def test_swapped_amounts_that_still_balance_do_not_match_their_hash() -> None:
    """A transaction whose stored hash is another's is named."""
    with as_actor(STAFF):
        post_many(entries=[sale("one", 10)])
        forged = LedgerTransaction.objects.create(tenant_id=TENANT, key="two", input_hash=bytes(32), occurred_at=NOW)
        both = [("receivable", 7), ("revenue", -7)]
        LedgerPosting.objects.bulk_create(
            LedgerPosting(
                tenant_id=TENANT,
                transaction=forged,
                account=LedgerAccount.objects.get(kind=kind),
                amount_won=amount,
            )
            for kind, amount in both
        )
        found = find_difference()
    assert found is not None
    assert (found.check, found.name) == ("transaction_hash", "two")

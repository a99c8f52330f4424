"""Sites that meter themselves: their events → usage, charges, invoices; what they do not tell is unknown."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, connection
from django.db.models import Sum

from billing.costs import Dimension, report_costs
from billing.ledger import find_difference
from billing.metering import list_expired_unknown, list_unmetered, meter_instance
from billing.models import Charge, PriceUnit, UsageEvent, UsageInterval
from billing.month_close import close_month
from billing.prices import PriceDraft, publish
from billing.usage_events import UsageEventConflict, UsageEventInvalid, UsageOverlap
from marketplace.instances.models import Instance
from marketplace.instances.operations import begin_stopping, record_gone
from marketplace.instances.states import Reason
from marketplace.inventory.models import MeteredBy, OutageKind
from marketplace.inventory.operations import define_provider, define_site
from marketplace.inventory.outages import record_node_trouble
from marketplace.inventory.provider_keys import set_metered_by
from marketplace.kernel.actors import Actor, as_actor, savepoint
from marketplace.kernel.models import AuditEntry
from tests.billing.telling import issue_key, let_site_meter, provider_actor, tell, told, withdrawn
from tests.market import NOW, STAFF, Renter, SmallMarket, add_renter, build_market, run_instance

pytestmark = pytest.mark.django_db
NOVEMBER = date(2026, 11, 1)


def at(minutes: float) -> datetime:
    """Minutes after the start."""
    return NOW + timedelta(minutes=minutes)


def running(*, ended: float | None = None) -> tuple[SmallMarket, Renter, Instance, Actor]:
    """An instance with two devices at a site that meters itself, and the site's meter."""
    market = build_market()
    let_site_meter(market.site)
    renter = add_renter()
    instance = run_instance(renter, started_at=NOW, ended_at=None if ended is None else at(ended))
    return market, renter, instance, provider_actor(issue_key())


def look(*, now: float | datetime) -> None:
    """What the sweep does."""
    instant = at(now) if isinstance(now, (int, float)) else now
    with as_actor(STAFF):
        for instance_id in [*list_unmetered(), *list_expired_unknown(now=instant)]:
            meter_instance(instance_id=instance_id, now=instant)


def standing(instance: Instance, *, meter: str = "device") -> list[tuple[str, str, float, float | None]]:
    """What stands: kind, reason, minutes."""
    with as_actor(STAFF):
        rows = UsageInterval.objects.filter(instance=instance, meter=meter, superseded_by__isnull=True)
        return [
            (row.kind, row.reason, _minutes(row.started_at), None if row.ended_at is None else _minutes(row.ended_at))
            for row in rows.order_by("started_at")
        ]


def _minutes(instant: datetime) -> float:
    return (instant - NOW) / timedelta(minutes=1)


def charged_seconds() -> int:
    """Device-seconds over all charges and corrections."""
    with as_actor(STAFF):
        return Charge.objects.aggregate(sum=Sum("device_seconds"))["sum"] or 0


def test_what_is_told_is_billed_and_what_is_not_told_is_unknown() -> None:
    """The pod ran all the time; the site tells 10–40 of it, ten minutes excused; a node's trouble changes nothing."""
    market, _renter, instance, meter = running()
    look(now=5)
    assert standing(instance) == [("unknown", "not_told", 0, None)]
    with as_actor(STAFF):
        record_node_trouble(
            cluster_id=market.cluster.id,
            name="node-1",
            kind=OutageKind.NODE_NOT_READY,
            since=at(12),
            now=at(13),
            evidence={},
        )
    sent = tell(
        meter,
        told(instance.id, at(10), at(20), event_id="1"),
        told(instance.id, at(20), at(30), event_id="2", kind="excused", reason="maintenance"),
        told(instance.id, at(30), at(40), event_id="3"),
        now=at(45),
    )
    assert (sent.accepted, sent.duplicates) == (3, 0)
    look(now=45)
    assert standing(instance) == [
        ("unknown", "not_told", 0, 10),
        ("metered", "", 10, 20),
        ("excused", "maintenance", 20, 30),
        ("metered", "", 30, 40),
        ("unknown", "not_told", 40, None),
    ]
    assert charged_seconds() == 2 * 20 * 60
    with as_actor(STAFF):
        assert list_unmetered() == []
        assert AuditEntry.objects.get(action="usage.told").changes == {"accepted": 3, "duplicates": 0}


def test_a_run_that_is_told_in_full_leaves_nothing_open() -> None:
    """Started, told, ended, told: the sweep finds nothing more, and every second is charged once."""
    _market, _renter, instance, meter = running(ended=60)
    tell(meter, told(instance.id, at(0), at(45), event_id="1"), now=at(61))
    look(now=61)
    tell(meter, told(instance.id, at(45), at(60), event_id="2"), now=at(62))
    look(now=62)
    look(now=63)
    assert standing(instance) == [("metered", "", 0, 45), ("metered", "", 45, 60)]
    with as_actor(STAFF):
        assert list_unmetered() == []
        assert not UsageInterval.objects.filter(ended_at__isnull=True, superseded_by__isnull=True).exists()
    assert charged_seconds() == 2 * 60 * 60


def test_the_same_event_again_is_a_duplicate_and_another_one_under_its_id_is_refused() -> None:
    """Across batches and within one; a refused batch leaves nothing of itself."""
    _market, _renter, instance, meter = running()
    first, second = told(instance.id, at(0), at(10), event_id="1"), told(instance.id, at(10), at(20), event_id="2")
    tell(meter, first, now=at(30))
    sent = tell(meter, first, second, dict(reversed(second.items())), now=at(31))
    assert (sent.accepted, sent.duplicates) == (1, 2)
    fresh = told(instance.id, at(20), at(25), event_id="3")
    for changed in (told(instance.id, at(0), at(9), event_id="1"), told(instance.id, at(25), at(30), event_id="3")):
        with pytest.raises(UsageEventConflict) as refused:
            tell(meter, fresh, changed, now=at(32))
        assert (refused.value.pointer, refused.value.details) == ("/1/id", {"index": 1})
    with as_actor(STAFF):
        assert sorted(UsageEvent.objects.values_list("event_id", flat=True)) == ["1", "2"]


def test_time_that_is_told_is_not_told_again() -> None:
    """Against what stands and within the batch; time that adjoins is fine."""
    _market, _renter, instance, meter = running()
    tell(meter, told(instance.id, at(0), at(10), event_id="1"), now=at(30))
    with pytest.raises(UsageOverlap) as refused:
        tell(
            meter,
            told(instance.id, at(10), at(12), event_id="2"),
            told(instance.id, at(9), at(10), event_id="3"),
            now=at(30),
        )
    assert (refused.value.pointer, refused.value.details) == ("/1/data/started_at", {"index": 1})
    with pytest.raises(UsageOverlap) as refused:
        tell(
            meter,
            told(instance.id, at(10), at(12), event_id="2"),
            told(instance.id, at(11), at(13), event_id="3"),
            now=at(30),
        )
    assert refused.value.details == {"index": 1}
    assert tell(meter, told(instance.id, at(10), at(12), event_id="2"), now=at(30)).accepted == 1
    with as_actor(STAFF):
        assert UsageEvent.objects.count() == 2


def test_only_time_that_the_providers_own_sites_promised_is_taken() -> None:
    """Unknown, another provider's, before the promise, after it, of another size, and of a site that Ondol meters."""
    _market, _renter, instance, meter = running(ended=30)
    from marketplace.kernel import ids  # noqa: PLC0415 - beside its one use

    with as_actor(STAFF):
        other = define_provider(actor=STAFF, code="other", name_ko="다른", name_en="Other", now=NOW)
        define_site(actor=STAFF, provider_id=other.id, code="busan", name_ko="부산", name_en="Busan", now=NOW)
    stranger = provider_actor(issue_key(other))
    cases = [
        (meter, told(ids.new_id(), at(0), at(1), event_id="x"), "/0/subject"),
        (stranger, told(instance.id, at(0), at(1), event_id="x"), "/0/subject"),
        (meter, told(instance.id, at(0), at(1), event_id="x", rank=1), "/0/subject"),
        (meter, told(instance.id, at(-1), at(1), event_id="x"), "/0/data/started_at"),
        (meter, told(instance.id, at(29), at(31), event_id="x"), "/0/data/started_at"),
        (meter, told(instance.id, at(0), at(1), event_id="x", quantity=3), "/0/data/quantity"),
        (meter, told(instance.id, at(0), at(61), event_id="x"), "/0/data/ended_at"),
        (meter, withdrawn("never", event_id="x"), "/0/data/id"),
    ]
    for actor, event, pointer in cases:
        with pytest.raises(UsageEventInvalid) as refused:
            tell(actor, event, now=at(60))
        assert refused.value.pointer == pointer
    with as_actor(STAFF):
        assert UsageEvent.objects.count() == 0


def test_what_was_promised_keeps_whose_word_it_is_billed_by() -> None:
    """An instance from before the change is metered by Ondol to its end, and its site's word on it is refused."""
    market, renter = build_market(), add_renter()
    before = run_instance(renter, started_at=NOW, ended_at=None)
    let_site_meter(market.site, now=at(10))
    after = run_instance(renter, started_at=at(20), ended_at=None, name="after")
    with as_actor(STAFF):
        assert set_metered_by(
            actor=STAFF, site_id=market.site.id, metered_by=MeteredBy.ONDOL, reason="their meter broke", now=at(30)
        )
    look(now=40)
    assert standing(before) == [("metered", "", 0, None)]
    assert standing(after) == [("unknown", "not_told", 20, None)]
    with pytest.raises(UsageEventInvalid) as refused:
        tell(provider_actor(issue_key()), told(before.id, at(0), at(1), event_id="1"), now=at(40))
    assert refused.value.pointer == "/0/subject"


def test_what_is_withdrawn_is_taken_off_and_may_be_told_anew_in_one_batch() -> None:
    """Ten minutes told too much; the rest of it is unknown again, and no charge is edited."""
    _market, _renter, instance, meter = running()
    tell(meter, told(instance.id, at(0), at(30), event_id="1"), now=at(31))
    look(now=31)
    with as_actor(STAFF):
        first = Charge.objects.get()
    sent = tell(meter, withdrawn("1", event_id="w1"), told(instance.id, at(0), at(20), event_id="2"), now=at(32))
    assert sent.accepted == 2
    look(now=32)
    assert standing(instance) == [
        ("metered", "", 0, 20),
        ("unknown", "not_told", 20, 30),
        ("unknown", "not_told", 30, None),
    ]
    assert charged_seconds() == 2 * 20 * 60
    with as_actor(STAFF):
        assert Charge.objects.get(id=first.id).device_seconds == 2 * 30 * 60
    with pytest.raises(UsageEventInvalid) as refused:
        tell(meter, withdrawn("1", event_id="w2"), now=at(33))
    assert refused.value.pointer == "/0/data/id"
    assert tell(meter, withdrawn("1", event_id="w1"), now=at(33)).duplicates == 1


def test_what_is_told_and_withdrawn_before_anybody_looked_was_never_used() -> None:
    """Neither a row nor a charge."""
    _market, _renter, instance, meter = running()
    tell(meter, told(instance.id, at(0), at(30), event_id="1"), now=at(31))
    tell(meter, withdrawn("1", event_id="w1"), now=at(32))
    look(now=33)
    assert standing(instance) == [("unknown", "not_told", 0, None)]
    assert charged_seconds() == 0


def test_late_usage_of_a_closed_month_is_an_adjustment_and_so_is_its_withdrawal() -> None:
    """November is invoiced, then more of it is told, then some is taken back: three documents, none of them changed."""
    _market, _renter, instance, meter = running(ended=60)
    tell(meter, told(instance.id, at(0), at(20), event_id="1"), now=at(61))
    closed = datetime(2026, 12, 1, tzinfo=UTC)
    assert [row.supply_won for row in close_month(actor=STAFF, month=NOVEMBER, now=closed)] == [3_600]
    fifth = datetime(2026, 12, 4, 15, 0, tzinfo=UTC)
    look(now=fifth)
    assert standing(instance)[-1] == ("excused", "unresolved", 20, 60)
    tell(meter, told(instance.id, at(20), at(50), event_id="2"), now=fifth)
    look(now=fifth)
    more = close_month(actor=STAFF, month=NOVEMBER, now=fifth)
    assert [(row.sequence, row.supply_won) for row in more] == [(2, 5_400)]
    tell(meter, withdrawn("1", event_id="w1"), now=fifth + timedelta(hours=1))
    look(now=fifth + timedelta(hours=1))
    less = close_month(actor=STAFF, month=NOVEMBER, now=fifth + timedelta(hours=1))
    assert [(row.sequence, row.supply_won, row.vat_won) for row in less] == [(3, -3_600, -360)]
    with as_actor(STAFF):
        assert find_difference() is None


def test_storage_is_charged_by_the_gibs_second_and_addresses_and_egress_are_counted() -> None:
    """500 GiB for an hour at ₩0.72 per GiB and hour; a line of its own, and in the costs under no accelerator."""
    market, renter = build_market(), add_renter()
    let_site_meter(market.site)
    with as_actor(STAFF):
        publish(
            actor=STAFF, draft=PriceDraft(site_id=market.site.id, unit=PriceUnit.GIB, price_micros=720_000),
            effective_from=NOW - timedelta(hours=1), now=NOW - timedelta(hours=1),
        )  # fmt: skip
    instance = run_instance(renter, started_at=NOW, ended_at=at(60))
    meter = provider_actor(issue_key())
    tell(
        meter,
        told(instance.id, at(0), at(60), event_id="d"),
        told(instance.id, at(0), at(60), event_id="v", meter="volume", quantity=500),
        told(instance.id, at(0), at(60), event_id="a", meter="public_address", quantity=1),
        told(instance.id, at(0), at(60), event_id="e", meter="egress", quantity=7_000_000_000),
        now=at(61),
    )
    look(now=61)
    with as_actor(STAFF):
        stored = Charge.objects.get(meter="volume")
        assert (stored.unit, stored.unit_seconds, stored.devices, stored.device_seconds) == ("gib", 500 * 3_600, 0, 0)
        assert int(stored.numerator) == 720_000 * 500 * 3_600
        assert sorted(Charge.objects.values_list("meter", flat=True)) == ["device", "volume"]
        assert UsageInterval.objects.get(meter="egress").quantity == 7_000_000_000
    with as_actor(renter.actor):
        report = report_costs(actor=renter.actor, month=NOVEMBER, dimension=Dimension.ACCELERATOR, now=at(62))
    assert {row.label: (row.won, row.device_seconds) for row in report.rows} == {
        "NVIDIA H200 141GB": (10_800, 7_200),
        "": (360, 0),
    }
    (invoice,) = close_month(actor=STAFF, month=NOVEMBER, now=datetime(2026, 12, 1, tzinfo=UTC))
    assert invoice.supply_won == 11_160
    lines = {line["description"]: line["calculation"] for line in invoice.document["lines"]}
    assert set(lines) == {"NVIDIA H200 141GB · train", "스토리지 · NVIDIA H200 141GB · train"}
    assert lines["스토리지 · NVIDIA H200 141GB · train"].endswith("= ₩360")


def test_the_database_shows_a_provider_its_own_events_and_nothing_of_tenants() -> None:
    """Whatever the code would ask for."""
    market, _renter, instance, meter = running(ended=60)
    tell(meter, told(instance.id, at(0), at(10), event_id="1"), now=at(61))
    with as_actor(STAFF):
        other = define_provider(actor=STAFF, code="other", name_ko="다른", name_en="Other", now=NOW)
    stranger = provider_actor(issue_key(other))
    with as_actor(meter):
        assert UsageEvent.objects.count() == 1
        assert Instance.objects.count() == 0
        with pytest.raises(DatabaseError), savepoint():
            UsageEvent.objects.update(quantity=1)
    with as_actor(stranger):
        assert UsageEvent.objects.count() == 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM find_promised_devices(%s)", [[instance.id]])
            assert cursor.fetchone() == (0,)
        with pytest.raises(DatabaseError, match="permission denied"), savepoint(), connection.cursor() as cursor:
            cursor.execute("SELECT secret_hash FROM inventory_providerkey")
    assert market.site.provider_id != other.id


def test_an_ended_run_is_known_only_by_its_events_where_the_end_came_first() -> None:
    """The end is known before anything is told; then the site tells less than the pod ran."""
    _market, _renter, instance, meter = running()
    with as_actor(STAFF):
        begin_stopping(instance_id=instance.id, attempt=1, reason=Reason.COMPLETED, occurred_at=at(60), now=at(60))
        record_gone(instance_id=instance.id, attempt=1, now=at(60))
    look(now=60)
    assert standing(instance) == [("unknown", "not_told", 0, 60)]
    tell(meter, told(instance.id, at(0), at(58), event_id="1"), now=at(70))
    look(now=70)
    assert standing(instance) == [("metered", "", 0, 58), ("unknown", "not_told", 58, 60)]

"""Admission: one admitter takes queued instances in order and promises devices, a batch per commit.

Everything that may have changed since the rent is judged again here: certificates, stock, health. Devices are taken by
conditional updates, so a stale view costs another pass and never a device promised twice.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import Q

from clusters.workloads import open_workload
from marketplace.instances.models import DecisionOutcome, Instance, InstanceTerm
from marketplace.instances.operations import (
    allocate,
    give_up_waiting,
    lock_instance,
    record_decision,
    record_waiting,
)
from marketplace.instances.states import Goal, Reason, State
from marketplace.inventory.models import Offer
from marketplace.inventory.stock import release_devices, take_devices
from marketplace.journeys.market_view import MarketFacts, judge_offers, read_market_facts, read_stock
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.kernel.hints import hint
from marketplace.kernel.leases import holds_lease, take_lease
from marketplace.scheduling.placement import Choice, Placement, Rejection, Request, Stock, Terms, choose
from marketplace.sovereignty.queries import list_requirements_in_force
from marketplace.sovereignty.rules import Requirements, Verdict

log = structlog.get_logger(__name__)

ADMITTER: Final = system_actor("admitter")
LEASE: Final = "admitter"
LEASE_DURATION: Final = timedelta(seconds=15)
INSTANCES_PER_COMMIT: Final = 50
"""A commit of 50 placements takes ~0.2 s; nodes stay locked no longer."""
BATCHES_PER_PASS_MAX: Final = 40
"""2,000 queued instances are looked at per pass, so that those that fit are found behind those that do not."""
CANDIDATE_NODES_NAMED_MAX: Final = 64
"""A decision names so many nodes per pool and rejection, and counts the rest: at 1,000 nodes it stays a few KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassResult:
    """What one pass did; `is_active` is False when another admitter holds the lease."""

    is_active: bool
    placed: int = 0
    waiting: int = 0
    given_up: int = 0


@dataclass(slots=True, kw_only=True)
class _Considered:
    """One queued instance with what it is judged by: every offer on sale that its request names, agreed on or refused."""

    instance: Instance
    request: Request
    offers: tuple[Offer, ...]
    requirements: tuple[Requirements, ...]
    verdicts: dict[UUID, Verdict]


def admit_pass(*, holder: str, now: datetime) -> PassResult:
    """Look at the queue once, from its head, and place what fits. Opens its own transactions; safe to repeat and to kill anywhere.

    Args:
        holder: This process's name; only the lease's holder admits.
    """
    with as_actor(ADMITTER):
        token = take_lease(name=LEASE, holder=holder, now=now, duration=LEASE_DURATION)
    if token is None:
        return PassResult(is_active=False)
    counts: Counter[str] = Counter()
    after: tuple[datetime, UUID] | None = None
    for _batch in range(BATCHES_PER_PASS_MAX):
        overdue: list[Instance] = []
        with as_actor(ADMITTER):
            if not holds_lease(name=LEASE, fencing_token=token):
                return PassResult(is_active=False)
            considered = _read_queue(after=after, now=now)
            if considered:
                stocks = list(read_stock(now=now, silence=settings.CLUSTER_SILENCE))
                results = [(item.instance, _admit_one(item, stocks, now=now)) for item in considered]
                counts.update(result for _instance, result in results)
                overdue = [instance for instance, result in results if result == "overdue"]
        for instance in overdue:
            counts["given_up"] += _give_up(instance, now=now)
        if len(considered) < INSTANCES_PER_COMMIT:
            break
        last = considered[-1].instance
        after = (last.queued_at, last.id)
    return PassResult(is_active=True, placed=counts["placed"], waiting=counts["waiting"], given_up=counts["given_up"])


def _read_queue(*, after: tuple[datetime, UUID] | None, now: datetime) -> Sequence[_Considered]:
    """The next part of the queue with everything it is judged by; a number of queries that does not grow with the queue."""
    rows = Instance.objects.filter(state=State.QUEUED, goal=Goal.RUN).select_related("project")
    if after is not None:
        rows = rows.filter(Q(queued_at__gt=after[0]) | Q(queued_at=after[0], id__gt=after[1]))
    queued = list(rows.order_by("queued_at", "id")[:INSTANCES_PER_COMMIT])
    if not queued:
        return []
    terms: defaultdict[UUID, list[InstanceTerm]] = defaultdict(list)
    wanted = [instance.id for instance in queued]
    for term in InstanceTerm.objects.filter(instance_id__in=wanted).select_related("offer"):
        terms[term.instance_id].append(term)
    facts = read_market_facts()
    rules: dict[tuple[str, ...], tuple[Requirements, ...]] = {}
    considered = []
    for instance in queued:
        classes = tuple(instance.project.data_classes)
        if classes not in rules:
            rules[classes] = list_requirements_in_force(data_classes=classes, now=now)
        considered.append(_consider(instance, terms[instance.id], facts, rules[classes], now=now))
    return considered


def _consider(
    instance: Instance,
    terms: Sequence[InstanceTerm],
    facts: MarketFacts,
    requirements: tuple[Requirements, ...],
    *,
    now: datetime,
) -> _Considered:
    offers = facts.matching(accelerators=instance.accelerators, offer_ids=instance.offer_ids)
    verdicts = judge_offers(
        facts=facts, offers=offers, requirements=requirements, max_duration_s=instance.max_duration_s, now=now
    )
    forbidden = {
        (offer.site_id, offer.accelerator.code): tuple(refusal.rule.value for refusal in verdicts[offer.id].refusals)
        for offer in offers
        if not verdicts[offer.id].is_permitted
    }
    request = Request(
        instance_id=instance.id,
        devices=instance.devices,
        max_price_micros=instance.max_price_micros,
        forbidden=forbidden,
        terms={
            term.offer_id: Terms(
                offer_id=term.offer_id,
                term_id=term.id,
                price_micros_per_device_hour=term.price_micros_per_device_hour,
                cpu_millis_per_device=term.offer.cpu_millis_per_device,
                memory_mib_per_device=term.offer.memory_mib_per_device,
            )
            for term in terms
        },
    )
    return _Considered(instance=instance, request=request, offers=offers, requirements=requirements, verdicts=verdicts)


def _admit_one(item: _Considered, stocks: list[Stock], *, now: datetime) -> str:
    named = {offer.id for offer in item.offers}
    choice = choose(request=item.request, stocks=[stock for stock in stocks if stock.offer_id in named])
    placement = choice.placement
    if placement is not None and take_devices(
        stock_id=placement.stock.stock_id,
        devices=placement.devices,
        cpu_millis=placement.cpu_millis,
        memory_mib=placement.memory_mib,
    ):
        return _place(item, choice, placement, stocks, now=now)
    if placement is not None:
        # The view was stale: somebody else's pod or a shrink. The next pass sees the new counters.
        hint("instance.queued", item.instance.id)
        return "waiting"
    return _wait(item, choice, now=now)


def _place(item: _Considered, choice: Choice, placement: Placement, stocks: list[Stock], *, now: datetime) -> str:
    instance = lock_instance(instance_id=item.instance.id)
    if instance is None or instance.state != State.QUEUED or instance.goal != Goal.RUN:
        release_devices(
            stock_id=placement.stock.stock_id,
            devices=placement.devices,
            cpu_millis=placement.cpu_millis,
            memory_mib=placement.memory_mib,
        )
        return "gone"
    allocation = allocate(
        instance=instance,
        term_id=placement.terms.term_id,
        stock_id=placement.stock.stock_id,
        cpu_millis=placement.cpu_millis,
        memory_mib=placement.memory_mib,
        now=now,
    )
    open_workload(allocation=allocation, project_id=instance.project_id, cluster_id=placement.stock.cluster_id, now=now)
    _record(item, instance, choice, outcome=DecisionOutcome.PLACED, reason="Allocated", now=now)
    _subtract(stocks, placement)
    return "placed"


def _wait(item: _Considered, choice: Choice, *, now: datetime) -> str:
    instance = lock_instance(instance_id=item.instance.id)
    if instance is None or instance.state != State.QUEUED or instance.goal != Goal.RUN:
        return "gone"
    reason = choice.wait_reason.value if choice.wait_reason else ""
    facts = {"requested": instance.devices, "free": _most_free(choice)}
    if record_waiting(instance=instance, reason=reason, facts=facts, now=now):
        _record(item, instance, choice, outcome=DecisionOutcome.WAITING, reason=reason, now=now)
    waited_s = (now - instance.queued_at).total_seconds()
    if instance.max_wait_s is not None and waited_s >= instance.max_wait_s:
        return "overdue"
    return "waiting"


def _give_up(instance: Instance, *, now: datetime) -> bool:
    """In a transaction of its own: quota is locked before instances, and the batch has locked instances."""
    reason = Reason.MAX_WAIT_REACHED if instance.max_wait_s else Reason.INSUFFICIENT_CAPACITY
    with as_actor(ADMITTER):
        return give_up_waiting(instance_id=instance.id, reason=reason, now=now)


def _subtract(stocks: list[Stock], placement: Placement) -> None:
    """Keep the pass's view true after a placement: also other accelerators on the node share its processor and memory."""
    for index, stock in enumerate(stocks):
        if stock.node_id != placement.stock.node_id:
            continue
        taken = placement.devices if stock.stock_id == placement.stock.stock_id else 0
        stocks[index] = replace(
            stock,
            free_devices=stock.free_devices - taken,
            free_cpu_millis=stock.free_cpu_millis - placement.cpu_millis,
            free_memory_mib=stock.free_memory_mib - placement.memory_mib,
        )


def _most_free(choice: Choice) -> int:
    return max(
        (
            item.stock.free_devices
            for item in choice.rejected
            if item.rejection in (Rejection.NOT_ENOUGH_DEVICES, Rejection.NOT_ENOUGH_CPU, Rejection.NOT_ENOUGH_MEMORY)
        ),
        default=0,
    )


def _record(
    item: _Considered, instance: Instance, choice: Choice, *, outcome: DecisionOutcome, reason: str, now: datetime
) -> None:
    relied_on = {certificate.id: certificate for verdict in item.verdicts.values() for certificate in verdict.relied_on}
    record_decision(
        instance=instance,
        outcome=outcome,
        reason=reason,
        inputs={
            "devices": instance.devices,
            "accelerators": instance.accelerators,
            "data_classes": instance.project.data_classes,
            "max_duration_s": instance.max_duration_s,
            "offers": [offer.code for offer in item.offers],
        },
        candidates=[*_describe_refused(item), *_describe_rejected(choice)],
        chosen=_describe_chosen(choice.placement),
        rule_versions=[
            {"data_class": rule.data_class, "version": rule.version, "id": str(rule.rule_id)}
            for rule in item.requirements
        ],
        certificates=[
            {
                "id": str(certificate.id),
                "scheme": certificate.scheme,
                "level": certificate.level,
                "document": certificate.document_number,
                "valid_to": certificate.valid_to.isoformat(),
            }
            for certificate in relied_on.values()
        ],
        now=now,
    )


def _describe_chosen(placement: Placement | None) -> dict[str, Any] | None:
    if placement is None:
        return None
    stock = placement.stock
    return {
        "site": stock.site,
        "cluster": stock.cluster,
        "node": stock.node,
        "accelerator": stock.accelerator,
        "devices": placement.devices,
        "price_micros_per_device_hour": placement.terms.price_micros_per_device_hour,
    }


def _describe_refused(item: _Considered) -> list[dict[str, Any]]:
    """Offers that the rules refuse now, each with every refusal."""
    return [
        {
            "site": offer.site.code,
            "accelerator": offer.accelerator.code,
            "rejection": Rejection.SITE_NOT_PERMITTED.value,
            "reasons": [
                {"rule": refusal.rule.value, "data_class": refusal.data_class, "facts": dict(refusal.facts)}
                for refusal in item.verdicts[offer.id].refusals
            ],
        }
        for offer in item.offers
        if not item.verdicts[offer.id].is_permitted
    ]


def _describe_rejected(choice: Choice) -> list[dict[str, Any]]:
    """Other candidates by pool (site × accelerator × rejection), with the nodes' names."""
    pools: defaultdict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for item in choice.rejected:
        if item.rejection is not Rejection.SITE_NOT_PERMITTED:
            pools[item.stock.site, item.stock.accelerator, item.rejection.value].append(item)
    return [
        {
            "site": site,
            "accelerator": accelerator,
            "rejection": rejection,
            "nodes": [item.stock.node for item in items[:CANDIDATE_NODES_NAMED_MAX]],
            "node_count": len(items),
            "facts": dict(items[0].facts),
        }
        for (site, accelerator, rejection), items in sorted(pools.items())
    ]

"""Launch, list, look at, stop, start and end instances."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing.costs import read_running_cost
from billing.rating import VAT_PERCENT, Plan
from marketplace.instances.models import Allocation, Instance
from marketplace.instances.operations import InstanceSpec, ScheduleSpec
from marketplace.instances.queries import get_instance, list_decisions, list_instances, list_transitions
from marketplace.instances.schedules import ScheduleAction
from marketplace.instances.states import Action, Goal, State, allowed_actions
from marketplace.journeys.diagnose import diagnose
from marketplace.journeys.quote import QuoteRequest, quote
from marketplace.journeys.refusal_words import RefusalWords
from marketplace.journeys.rent import RentRequest, rent
from marketplace.journeys.schedule import add_schedule, list_schedules
from marketplace.journeys.stop import request_action
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import savepoint
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.portal.clock_words import WEEKDAYS
from marketplace.portal.page import Page, member_page
from marketplace.portal.views.catalogue import describe_components, read_versions
from marketplace.portal.views.evidence import describe_decision
from marketplace.portal.views.schedules import read_time
from marketplace.scheduling.availability import Band

IMAGE_DEFAULT = "registry.ondol.example/pytorch:2.8-cuda12.8"
PAGE_SIZE = 20
STOP_POLLING = 286
WORKING_DAYS = (1, 2, 3, 4, 5)
FINAL = frozenset({State.ENDED, State.STOPPED})


@dataclass(frozen=True, slots=True)
class LaunchForm:
    """What the launch page sends; kept as typed when it is refused."""

    name: str = ""
    devices: int = 1
    nodes: int = 1
    offer: str = ""
    image: str = IMAGE_DEFAULT
    ssh_public_key: str = ""
    auto_stop_hours: str = ""
    max_wait_hours: str = ""
    stop_at: str = ""
    start_at: str = ""
    plan: str = Plan.ON_DEMAND.value
    driver: str = ""
    firmware: str = ""
    runtime: str = ""

    @property
    def versions(self) -> dict[str, str]:
        """The ranges by component."""
        return {"driver": self.driver, "firmware": self.firmware, "runtime": self.runtime}


@require_http_methods(["GET", "POST"])
@member_page("catalogue")
def launch(page: Page) -> HttpResponse:
    """One page: offer, size, image, key, automatic stop; the price beside it."""
    if page.project is None:
        raise NotFound
    form = _read_launch(page)
    error: OndolError | None = None
    if page.request.method == "POST":
        try:
            with savepoint():
                instance = rent(actor=page.actor, request=_rent_request(page, form), now=clock.now())
                _add_schedules(page, form, instance)
            return redirect("portal:instance", instance_id=ids.format_id(prefix="ins", value=instance.id))
        except OndolError as refused:
            error = refused
    found = quote(actor=page.actor, request=QuoteRequest(project_id=page.project.id, devices=1), now=clock.now())
    return page.render(
        "launch.html",
        status=error.http_status if error else 200,
        form=form,
        offers=[item for item in found.offers if item.availability.band is not Band.RESERVATION],
        components=describe_components(form.versions),
        version_query=any(form.versions.values()),
        error=error,
        vat_percent=VAT_PERCENT,
        vat="included" if found.is_vat_included else "excluded",
        base_url=_base_url(page),
    )


def _read_launch(page: Page) -> LaunchForm:
    given = page.request.POST if page.request.method == "POST" else page.request.GET
    devices, nodes = given.get("devices", "1"), given.get("nodes", "1")
    offer, _bar, plan = given.get("offer", "")[:80].partition("|")
    return LaunchForm(
        name=given.get("name", "")[:63],
        devices=_number(devices) or 0,
        nodes=_number(nodes) or 0,
        offer=offer[:40],
        plan=plan if plan in set(Plan) else Plan.ON_DEMAND.value,
        image=given.get("image", IMAGE_DEFAULT)[:300],
        ssh_public_key=given.get("ssh_public_key", "")[:8192].strip(),
        auto_stop_hours=given.get("auto_stop_hours", "")[:5],
        max_wait_hours=given.get("max_wait_hours", "")[:5],
        stop_at=given.get("stop_at", "")[:5],
        start_at=given.get("start_at", "")[:5],
        **read_versions(given),
    )


def _number(text: str) -> int | None:
    return int(text[:5]) if text.isascii() and text.isdigit() else None


def _add_schedules(page: Page, form: LaunchForm, instance: Instance) -> None:
    """Every working day at the times given; the same transaction as the rent."""
    for action, text in ((ScheduleAction.STOP, form.stop_at), (ScheduleAction.START, form.start_at)):
        if text:
            spec = ScheduleSpec(action=action, at=read_time(text), weekdays=WORKING_DAYS)
            add_schedule(actor=page.actor, instance_id=instance.id, spec=spec, now=clock.now())


def _rent_request(page: Page, form: LaunchForm) -> RentRequest:
    if page.project is None:
        raise NotFound
    try:
        offer_ids = [ids.parse_id(prefix="off", text=form.offer)]
    except ids.MalformedId as error:
        raise NotFound(pointer="/offer") from error
    stop_hours, wait_hours = _number(form.auto_stop_hours), _number(form.max_wait_hours)
    return RentRequest(
        project_id=page.project.id,
        spec=InstanceSpec(
            name=form.name,
            kind="interactive",
            accelerators=(),
            devices=form.devices,
            image=form.image,
            ssh_public_keys=[form.ssh_public_key] if form.ssh_public_key else [],
            offer_ids=offer_ids,
            nodes=form.nodes,
            max_duration_s=stop_hours * 3_600 if stop_hours else None,
            max_wait_s=None if wait_hours is None else wait_hours * 3_600,
            versions=form.versions,
        ),
        plan=form.plan,
    )


@require_GET
@member_page("instances")
def instance_list(page: Page) -> HttpResponse:
    """Newest first, filtered by state, a page at a time; every filter is in the URL."""
    rows = list_instances(actor=page.actor)
    state = page.request.GET.get("state", "")
    if state in set(State):
        rows = rows.filter(state=state)
    before = page.request.GET.get("before", "")
    try:
        shown = rows.filter(id__lt=ids.parse_id(prefix="ins", text=before)) if before else rows
    except ids.MalformedId as error:
        raise NotFound from error
    found = list(
        shown.prefetch_related("allocations__term", "allocations__stock__node__cluster__site")[: PAGE_SIZE + 1]
    )
    has_more = len(found) > PAGE_SIZE
    items = [{"instance": row, "allocation": _newest(row)} for row in found[:PAGE_SIZE]]
    last = ids.format_id(prefix="ins", value=found[PAGE_SIZE - 1].id) if has_more else ""
    return page.render("instances.html", items=items, state=state, states=list(State), next_before=last)


@require_GET
@member_page("instances")
def instance_detail(page: Page, instance_id: str) -> HttpResponse:
    """Everything about one instance."""
    return page.render("instance.html", **_describe(page, instance_id))


@require_GET
@member_page("instances")
def instance_live(page: Page, instance_id: str) -> HttpResponse:
    """The part of the page that changes while one looks; 286 tells htmx to ask no more once nothing will change."""
    described = _describe(page, instance_id)
    return page.render("_instance_live.html", status=STOP_POLLING if described["is_final"] else 200, **described)


@require_POST
@member_page("instances")
def instance_action(page: Page, instance_id: str) -> HttpResponse:
    """Start, stop or end; an end asks for the name."""
    wanted = _parse(instance_id)
    instance = get_instance(actor=page.actor, instance_id=wanted)
    try:
        action = Action(page.request.POST.get("type", ""))
    except ValueError as error:
        raise NotFound from error
    back = reverse("portal:instance", kwargs={"instance_id": instance_id})
    if action is Action.END and page.request.POST.get("name", "") != instance.name:
        return HttpResponseRedirect(f"{back}?unconfirmed=1")
    request_action(actor=page.actor, instance_id=wanted, action=action, now=clock.now())
    return HttpResponseRedirect(back)


def _parse(instance_id: str) -> UUID:
    try:
        return ids.parse_id(prefix="ins", text=instance_id)
    except ids.MalformedId as error:
        raise NotFound from error


def _base_url(page: Page) -> str:
    return page.request.build_absolute_uri("/").rstrip("/")


def _newest(row: Instance) -> Allocation | None:
    return max(row.allocations.all(), key=lambda allocation: (allocation.attempt, -allocation.rank), default=None)


def _describe(page: Page, instance_id: str) -> dict[str, Any]:
    wanted = _parse(instance_id)
    found = diagnose(actor=page.actor, instance_id=wanted)
    instance = found.instance
    decisions = list(list_decisions(actor=page.actor, instance_id=wanted)[:1])
    allocation = (
        instance.allocations.select_related("term__seller", "stock__node__cluster__site", "stock__accelerator")
        .order_by("-attempt", "rank")
        .first()
    )
    state = State(instance.state)
    return {
        "instance": instance,
        "instance_id": instance_id,
        "diagnosis": found,
        "allocation": allocation,
        "terms": list(instance.terms.select_related("offer__accelerator", "offer__site", "seller")),
        "transitions": list(list_transitions(actor=page.actor, instance_id=wanted)),
        "decision": describe_decision(decisions[0], RefusalWords.read()) if decisions else None,
        "cost": read_running_cost(actor=page.actor, instance=instance, now=clock.now())
        if page.may("usage.read")
        else None,
        "actions": [action.value for action in allowed_actions(state=state, goal=Goal(instance.goal))]
        if page.may("instances.write")
        else [],
        "is_final": state in FINAL,
        "schedules": list(list_schedules(actor=page.actor, instance_id=wanted)),
        "weekdays": WEEKDAYS,
        "unconfirmed": "unconfirmed" in page.request.GET,
        "base_url": _base_url(page),
    }

"""Schedules of an instance, and what a stop would do."""

from datetime import date, datetime, time
from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from marketplace.instances.operations import ScheduleSpec
from marketplace.instances.schedules import ScheduleAction
from marketplace.instances.states import Action
from marketplace.journeys.preview_stop import preview_stop
from marketplace.journeys.schedule import add_schedule, drop_schedule
from marketplace.kernel import clock, ids
from marketplace.kernel.errors import NotFound, ValidationFailed
from marketplace.portal.page import Page, member_page


@require_GET
@member_page("instances")
def preview(page: Page, instance_id: str) -> HttpResponse:
    """The part of the stop and end dialogs that says what will happen."""
    wanted = page.request.GET.get("type", "")
    if wanted not in (Action.STOP, Action.END):
        raise NotFound
    found = preview_stop(
        actor=page.actor, instance_id=_parse("ins", instance_id), action=Action(wanted), now=clock.now()
    )
    return page.render("_stop_preview.html", preview=found)


@require_POST
@member_page("instances")
def add(page: Page, instance_id: str) -> HttpResponse:
    """Start or stop at a time of day."""
    add_schedule(actor=page.actor, instance_id=_parse("ins", instance_id), spec=_read_spec(page), now=clock.now())
    return _back(instance_id)


@require_POST
@member_page("instances")
def remove(page: Page, instance_id: str, schedule_id: str) -> HttpResponse:
    """It does not act again."""
    drop_schedule(
        actor=page.actor,
        instance_id=_parse("ins", instance_id),
        schedule_id=_parse("sch", schedule_id),
        now=clock.now(),
    )
    return _back(instance_id)


def _read_spec(page: Page) -> ScheduleSpec:
    form = page.request.POST
    try:
        action = ScheduleAction(form.get("action", ""))
        on = date.fromisoformat(form["on"]) if form.get("on") else None
        weekdays = [int(day) for day in form.getlist("weekdays")]
    except ValueError as error:
        raise ValidationFailed(reason=_("Choose an action and days."), pointer="/schedules") from error
    return ScheduleSpec(action=action, at=read_time(form.get("at", "")), weekdays=weekdays, on=on)


def read_time(text: str) -> time:
    """A wall-clock time as a browser sends it.

    Raises:
        ValidationFailed: It is not one.
    """
    try:
        return datetime.strptime(text[:5], "%H:%M").time()  # noqa: DTZ007 - a time of day has no zone
    except ValueError as error:
        raise ValidationFailed(reason=_("A time has the form 18:30."), pointer="/at") from error


def _parse(prefix: str, text: str) -> UUID:
    try:
        return ids.parse_id(prefix=prefix, text=text)
    except ids.MalformedId as error:
        raise NotFound from error


def _back(instance_id: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:instance", kwargs={"instance_id": instance_id}) + "#schedules")

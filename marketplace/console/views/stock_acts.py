"""Acts on stock: each has a page that says what will happen and to whom, and takes the reason."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.utils.translation import ngettext as _n
from django.views.decorators.http import require_GET, require_http_methods

from marketplace.console.page import OperatorPage, operator_page
from marketplace.console.views.capacity import describe_quarantine, get_node
from marketplace.inventory.capacity import list_stock_rows
from marketplace.inventory.models import Component, Node, NodeStock
from marketplace.inventory.quarantine import (
    DEVICE_IDS_MAX,
    VERSION_FIELD,
    InstalledVersion,
    QuarantineInvalid,
    list_quarantines,
    list_versions,
    quarantine_devices,
    quarantine_node,
    quarantine_version,
    release_quarantine,
    set_cordon,
)
from marketplace.journeys.maintain import drain_node
from marketplace.journeys.stock_effects import Effect, read_effect
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import savepoint
from marketplace.kernel.errors import NotFound, OndolError

QUARANTINES_PER_PAGE: Final = 50
DEVICE_ID_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True, kw_only=True)
class Act:
    """A change that is to be confirmed.

    Attributes:
        consequences: What will happen, one sentence each.
        effect: Whose instances are there; shown with what becomes of them.
        becomes: What becomes of them, as the table's last column.
        perform: Does it, given the form's reason; returns what was done, in a sentence.
        device_field: How many devices may be chosen; 0 = no such field.
        back: The path of the page that led here.
    """

    title: str
    button: str | Promise
    consequences: Sequence[str]
    perform: Callable[[str], str]
    back: str
    effect: Effect | None = None
    becomes: str = ""
    device_field: int = 0
    form: Mapping[str, str] = field(default_factory=dict)


NODE_ACTS: Final = {
    "quarantine": gettext_lazy("Put the node in quarantine"),
    "cordon": gettext_lazy("Cordon the node"),
    "uncordon": gettext_lazy("Lift the cordon"),
    "drain": gettext_lazy("Drain the node"),
}


@require_http_methods(["GET", "POST"])
@operator_page("capacity")
def node_act(page: OperatorPage, node_id: str, act: str) -> HttpResponse:
    """Quarantine, cordon, uncordon or drain a node."""
    if act not in NODE_ACTS:
        raise NotFound
    node = get_node(page, node_id)
    return confirm(page, _plan_node_act(page, node, act))


@require_http_methods(["GET", "POST"])
@operator_page("capacity")
def device_act(page: OperatorPage, stock_id: str) -> HttpResponse:
    """Quarantine some devices of a node."""
    wanted = page.read_id(prefix="stk", text=stock_id)
    stock = NodeStock.objects.select_related("node", "accelerator").filter(id=wanted).first()
    if stock is None:
        raise NotFound
    left = stock.capacity_devices - stock.quarantined_devices
    given = page.request.POST
    form = {"devices": given.get("devices", "1").strip()[:4], "device_ids": given.get("device_ids", "").strip()[:8_000]}
    facts = {"node": stock.node.name, "accelerator": stock.accelerator.code, "left": left}

    def perform(reason: str) -> str:
        quarantine_devices(
            actor=page.actor, stock_id=stock.id, devices=_whole(form["devices"], most=left), reason=reason,
            device_ids=[line.strip()[:DEVICE_ID_CHARACTERS_MAX] for line in form["device_ids"].splitlines() if line.strip()],
            now=clock.now(),
        )  # fmt: skip
        return _("The devices are in quarantine.")

    plan = Act(
        title=_("Put devices of %(node)s in quarantine") % facts,
        button=_("Put the devices in quarantine"),
        consequences=[
            _("That many of the node's %(left)s %(accelerator)s leave the market until they are released.") % facts,
            _(
                "What runs goes on. Kubernetes chooses the devices of a pod: until the vendor's plugin reports a broken one"
                " as not usable, a new instance on the node may still get it. Where that must not happen, put the node in"
                " quarantine."
            ),
        ],
        perform=perform,
        back=_path_of(stock.node),
        effect=read_effect(place=Q(stock=stock)),
        becomes=_("goes on"),
        device_field=left,
        form=form,
    )
    return confirm(page, plan)


@require_http_methods(["GET", "POST"])
@operator_page("versions")
def version_act(page: OperatorPage) -> HttpResponse:
    """Quarantine a driver, firmware or runtime version of a vendor."""
    given = page.request.GET
    key = (given.get("vendor", "")[:60], given.get("component", "")[:8], given.get("version", "")[:60])
    use = next((item for item in list_versions() if (item.vendor, item.component.value, item.version) == key), None)
    if use is None:
        raise NotFound
    return confirm(page, _plan_version_act(page, use))


@require_http_methods(["GET", "POST"])
@operator_page("quarantines")
def release_act(page: OperatorPage, quarantine_id: str) -> HttpResponse:
    """Put on sale again what is in quarantine."""
    wanted = page.read_id(prefix="qua", text=quarantine_id)
    row = list_quarantines().filter(id=wanted).first()
    if row is None or row.released_at is not None:
        raise NotFound
    described = describe_quarantine(row)

    def perform(reason: str) -> str:
        release_quarantine(actor=page.actor, quarantine_id=row.id, reason=reason, now=clock.now())
        return _("%(about)s was released.") % described

    plan = Act(
        title=_("Release %(about)s") % described,
        button=_("Release from quarantine"),
        consequences=[
            _(
                "It is sold again at once, as far as nothing else keeps it out of sale; waiting instances may start there."
            ),
            _("What led to the quarantine does not lead to it again; what happens from now on may."),
        ],
        perform=perform,
        back=reverse("console:quarantines"),
    )
    return confirm(page, plan)


@require_GET
@operator_page("quarantines")
def quarantines(page: OperatorPage) -> HttpResponse:
    """What is in quarantine, then what was."""
    offset = page.read_offset()
    rows = list(list_quarantines()[offset : offset + QUARANTINES_PER_PAGE + 1])
    return page.render(
        "quarantines.html",
        title=_("Quarantine"),
        items=[describe_quarantine(row) for row in rows[:QUARANTINES_PER_PAGE]],
        offset=offset,
        next_offset=offset + QUARANTINES_PER_PAGE if len(rows) > QUARANTINES_PER_PAGE else None,
    )


@require_GET
@operator_page("versions")
def versions(page: OperatorPage) -> HttpResponse:
    """Every driver, firmware and runtime version that is installed somewhere."""
    return page.render(
        "versions.html",
        title=_("Installed versions"),
        uses=[{"use": use, "quarantine_id": use.quarantine.id if use.quarantine else None} for use in list_versions()],
    )


def _plan_node_act(page: OperatorPage, node: Node, act: str) -> Act:
    rows = list_stock_rows(now=clock.now(), silence=settings.CLUSTER_SILENCE, node_id=node.id)
    effect = read_effect(place=Q(stock__node_id=node.id))
    facts = {
        "node": node.name,
        "free": sum(row.counts.free for row in rows),
        "instances": effect.instances,
        "tenants": len(effect.tenants),
    }

    def perform(reason: str) -> str:
        now = clock.now()
        if act == "quarantine":
            quarantine_node(actor=page.actor, node_id=node.id, reason=reason, now=now)
            return _("%(node)s is in quarantine.") % facts
        if act == "drain":
            stopped = drain_node(actor=page.actor, node_id=node.id, reason=reason, now=now)
            return _("%(node)s is being cleared: %(stopped)s instances were stopped.") % {**facts, "stopped": stopped}
        set_cordon(actor=page.actor, node_id=node.id, is_cordoned=act == "cordon", reason=reason, now=now)
        return (_("%(node)s is cordoned.") if act == "cordon" else _("The cordon of %(node)s is lifted.")) % facts

    return Act(
        title=f"{NODE_ACTS[act]}: {node.name}",
        button=NODE_ACTS[act],
        consequences=[sentence % facts for sentence in _consequences(act, effect)],
        perform=perform,
        back=_path_of(node),
        effect=effect,
        becomes=_("stopped and queued again") if act == "drain" else _("goes on"),
    )


def _consequences(act: str, effect: Effect) -> list[str]:
    if act == "uncordon":
        return [_("New instances are placed on %(node)s again, as far as nothing else keeps it out of sale.")]
    found = [_("Nothing new is placed on %(node)s; %(free)s free devices leave the market.")]
    if act == "quarantine":
        found.append(_("It stays so until somebody releases it, also when the node reports that it is well."))
    if act == "cordon":
        found.append(_("It stays so until somebody lifts the cordon."))
    if act != "drain":
        found.append(_("What runs there goes on: %(instances)s instances of %(tenants)s organizations."))
        return found
    if effect.instances:
        found += [
            _(
                "%(instances)s instances of %(tenants)s organizations are stopped at once and queued again for another node;"
                " they keep their price and their quota, and when they start again is not certain."
            ),
            _("Their organizations are told: %(names)s.") % {"names": ", ".join(effect.tenants).replace("%", "%%")},
        ]
    else:
        found.append(_("Nothing runs there, so nobody is disturbed."))
    found.append(_("The node stays cordoned until somebody lifts it."))
    return found


def _plan_version_act(page: OperatorPage, use: InstalledVersion) -> Act:
    facts = {
        "vendor": use.vendor, "component": Component(use.component).label, "version": use.version, "nodes": use.nodes,
        "free": use.free_devices,
    }  # fmt: skip

    def perform(reason: str) -> str:
        quarantine_version(
            actor=page.actor, vendor=use.vendor, component=use.component, version=use.version, reason=reason,
            now=clock.now(),
        )  # fmt: skip
        return _("%(vendor)s %(component)s %(version)s is in quarantine.") % facts

    return Act(
        title=_("Put %(vendor)s %(component)s %(version)s in quarantine") % facts,
        button=_("Put the version in quarantine"),
        consequences=[
            _n(
                "Every %(vendor)s device of %(nodes)s node leaves the market; %(free)s of them are free now.",
                "Every %(vendor)s device of %(nodes)s nodes leaves the market; %(free)s of them are free now.",
                use.nodes,
            )
            % facts,
            _("So do nodes that get this version later, and those that get another one come back by themselves."),
            _("What runs on them goes on."),
        ],
        perform=perform,
        back=reverse("console:versions"),
        effect=read_effect(
            place=Q(**{f"stock__node__{VERSION_FIELD[use.component]}": use.version})
            & Q(stock__accelerator__vendor=use.vendor)
        ),
        becomes=_("goes on"),
    )


def confirm(page: OperatorPage, act: Act) -> HttpResponse:
    """Show what an act will do; with a reason, do it."""
    error: OndolError | None = None
    if page.request.method == "POST":
        try:
            with savepoint():
                message = act.perform(page.read_reason())
            return page.done_at(message, path=act.back)
        except OndolError as refused:
            error = refused
    return page.render(
        "stock_act.html",
        title=act.title,
        status=error.http_status if error else 200,
        act=act,
        error=error,
        reason=page.request.POST.get("reason", ""),
        device_ids_max=DEVICE_IDS_MAX,
    )


def _whole(text: str, *, most: int) -> int:
    """A number of devices.

    Raises:
        QuarantineInvalid: Not a whole number.
    """
    if not (text.isascii() and text.isdigit()):
        raise QuarantineInvalid(
            reason=_("Choose from 1 to %(left)s devices.") % {"left": most}, pointer="/devices", facts={"left": most}
        )
    return int(text)


def _path_of(node: Node) -> str:
    return reverse("console:node", kwargs={"node_id": ids.format_id(prefix="nod", value=node.id)})

"""Unknown time: what is open, and the provider's statements that decide it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.core import signing
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from billing.metering.statements import INTERVALS_READ_MAX, list_open_unknown, preview_statement, sum_by_cluster
from marketplace.console.page import OperatorPage, operator_page
from marketplace.inventory.models import Cluster, OutageKind
from marketplace.inventory.outages import (
    STATEMENTS,
    check_statement,
    list_recent_outages,
    record_statement,
    withdraw_statement,
)
from marketplace.kernel import clock
from marketplace.kernel.days import parse_instant
from marketplace.kernel.errors import ValidationFailed
from marketplace.kernel.ids import format_id

SALT: Final = "statement"
LOOKED_AT_S: Final = 3_600
"""What was looked at must be recorded within an hour."""
INTERVALS_SHOWN_MAX: Final = 200
STATEMENTS_SHOWN_MAX: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementForm:
    """What was typed, as text."""

    cluster: str = ""
    kind: str = OutageKind.SITE_OUTAGE.value
    started_at: str = ""
    ended_at: str = ""
    statement: str = ""


@require_GET
@operator_page("unknown-time")
def unknown_time(page: OperatorPage) -> HttpResponse:
    """What is open, the form, and what was stated before."""
    return _render(page, form=StatementForm(cluster=page.request.GET.get("cluster", "")[:40]))


@require_POST
@operator_page("unknown-time")
def preview(page: OperatorPage) -> HttpResponse:
    """What a statement would decide; nothing is written."""
    form = StatementForm(
        **{name: page.request.POST.get(name, "").strip()[:200] for name in StatementForm.__dataclass_fields__}
    )
    wanted = _read(page, form)
    changes = preview_statement(
        kind=wanted["kind"], cluster_id=wanted["cluster_id"], started_at=wanted["started_at"],
        ended_at=wanted["ended_at"], now=clock.now(),
    )  # fmt: skip
    kept = {name: getattr(form, name) for name in StatementForm.__dataclass_fields__}
    return _render(
        page, form=form, is_previewed=True, changes=changes, won=sum(change.won for change in changes),
        stated={**wanted, "cluster": Cluster.objects.get(id=wanted["cluster_id"])},
        seal=signing.dumps(kept, salt=SALT),
    )  # fmt: skip


@require_POST
@operator_page("unknown-time")
def record(page: OperatorPage) -> HttpResponse:
    """Keep what was looked at."""
    reason = page.read_reason()
    try:
        kept = signing.loads(page.request.POST.get("seal", ""), salt=SALT, max_age=LOOKED_AT_S)
    except signing.BadSignature as error:
        text = _("Look at the statement again; more than an hour has passed.")
        raise ValidationFailed(reason=text, pointer="/seal") from error
    wanted = _read(page, StatementForm(**kept))
    record_statement(actor=page.actor, reason=reason, now=clock.now(), **wanted)
    return page.done(_("The statement is recorded; usage follows within seconds."), to="console:unknown-time")


@require_POST
@operator_page("unknown-time")
def withdraw(page: OperatorPage, outage_id: str) -> HttpResponse:
    """Take a statement back that was wrong."""
    wanted = page.read_id(prefix="out", text=outage_id)
    withdraw_statement(actor=page.actor, outage_id=wanted, reason=page.read_reason(), now=clock.now())
    return page.done(_("The statement is withdrawn; usage follows within seconds."), to="console:unknown-time")


def _read(page: OperatorPage, form: StatementForm) -> dict[str, Any]:
    """What `record_statement` takes.

    Raises:
        StatementInvalid, ValidationFailed: As it would.
    """
    if form.kind not in STATEMENTS:
        raise ValidationFailed(reason=_("Choose what the provider states."), pointer="/kind")
    cluster_id: UUID = page.read_id(prefix="clu", text=form.cluster)
    started_at: datetime = parse_instant(text=form.started_at, pointer="/started_at")
    ended_at: datetime = parse_instant(text=form.ended_at, pointer="/ended_at")
    wanted: dict[str, Any] = {
        "kind": OutageKind(form.kind),
        "started_at": started_at,
        "ended_at": ended_at,
        "statement": form.statement,
    }
    check_statement(**wanted, now=clock.now())
    return {**wanted, "cluster_id": cluster_id}


def _render(page: OperatorPage, *, form: StatementForm, **context: Any) -> HttpResponse:
    now = clock.now()
    found = list_open_unknown(now=now)
    return page.render(
        "unknown_time.html",
        title=_("Unknown time"),
        form=form,
        sums=sum_by_cluster(found),
        found=found[:INTERVALS_SHOWN_MAX],
        is_cut=len(found) > INTERVALS_SHOWN_MAX or len(found) == INTERVALS_READ_MAX,
        now=now,
        kinds=[(kind.value, _kind_text(kind)) for kind in STATEMENTS],
        clusters=[
            (format_id(prefix="clu", value=row.id), row)
            for row in Cluster.objects.select_related("site").order_by("name")
        ],
        statements=list_recent_outages(kinds=STATEMENTS, limit=STATEMENTS_SHOWN_MAX),
        **context,
    )


def _kind_text(kind: OutageKind) -> str:
    if kind == OutageKind.SITE_OUTAGE:
        return _("It was down: the time is excused")
    return _("It served: unknown time is charged")

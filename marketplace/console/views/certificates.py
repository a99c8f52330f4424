"""Certificates of providers and sites: what ends when, who is affected, record and revoke."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from marketplace.console.page import OperatorPage, operator_page
from marketplace.inventory.assurance import add_certification, revoke_certification
from marketplace.inventory.models import AssuranceDocument, Certification, Provider, Site
from marketplace.inventory.queries import list_certifications
from marketplace.journeys.calendar import Calendar, draw_calendar
from marketplace.journeys.watch_assurance import has_ended, list_affected, severity_of, watch_assurance
from marketplace.kernel import clock, ids
from marketplace.kernel.actors import savepoint
from marketplace.kernel.days import begin_of, parse_day
from marketplace.kernel.downloads import answer_download
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.kernel.uploads import read_upload
from marketplace.sovereignty.models import AssuranceScheme, HeldBy

CERTIFICATES_MAX = 500


@dataclass(frozen=True, slots=True)
class CertificateForm:
    """As typed; kept when it is refused."""

    scheme: str = ""
    level: str = ""
    holder: str = ""
    issuer: str = ""
    document_number: str = ""
    valid_from: str = ""
    valid_to: str = ""


@require_http_methods(["GET", "POST"])
@operator_page("certificates")
def certificates(page: OperatorPage) -> HttpResponse:
    """Those that end first first, a calendar of ends, and the form for a new one."""
    form, error = CertificateForm(), None
    if page.request.method == "POST":
        form = _read_form(page)
        try:
            with savepoint():
                added = _add(page, form)
            return page.done(
                _("The certificate was recorded."),
                to="console:certificate",
                certificate_id=ids.format_id(prefix="crt", value=added.id),
            )
        except OndolError as refused:
            error = refused
    now = clock.now()
    rows = list(list_certifications()[:CERTIFICATES_MAX])
    return page.render(
        "certificates.html",
        title=_("Certificates"),
        status=error.http_status if error else 200,
        items=[describe(row, now=now) for row in rows],
        calendar=calendar_of(rows, now=now),
        schemes=AssuranceScheme.objects.filter(held_by=HeldBy.SUPPLIER).order_by("code"),
        sites=Site.objects.order_by("code"),
        providers=Provider.objects.order_by("code"),
        form=form,
        error=error,
    )


@require_GET
@operator_page("certificates")
def certificate(page: OperatorPage, certificate_id: str) -> HttpResponse:
    """One certificate, its paper, and the running instances it carries or, once it has ended, no longer carries."""
    row = _get(page, certificate_id)
    now = clock.now()
    return page.render(
        "certificate.html",
        title=f"{row.scheme.code} {row.document_number}",
        item=describe(row, now=now),
        public_id=certificate_id,
        affected=list_affected(certification=row, now=now) if has_ended(row, now=now) else [],
    )


@require_POST
@operator_page("certificates")
def revoke(page: OperatorPage, certificate_id: str) -> HttpResponse:
    """From this second on nothing new is placed on it; who runs on it is told, and goes on running."""
    row, now = _get(page, certificate_id), clock.now()
    revoke_certification(actor=page.actor, certification_id=row.id, reason=page.read_reason(), now=now)
    watch_assurance(now=now)
    return page.done(_("The certificate was revoked."), to="console:certificate", certificate_id=certificate_id)


@require_GET
@operator_page("certificates")
def paper(page: OperatorPage, certificate_id: str) -> HttpResponse:
    """The paper as it was handed in; never shown within the page."""
    row = _get(page, certificate_id)
    document = AssuranceDocument.objects.filter(id=row.document_id).first() if row.document_id else None
    if document is None:
        raise NotFound
    return answer_download(name=document.file_name, media_type=document.media_type, content=document.content)


def describe(row: Certification, *, now: datetime) -> dict[str, Any]:
    """A certificate with its state: revoked, ended, future, or how soon it ends."""
    left = row.valid_to - now
    if row.revoked_at is not None:
        state, tone = _("Revoked"), "critical"
    elif left <= timedelta():
        state, tone = _("Expired"), "critical"
    elif row.valid_from > now:
        state, tone = _("Not yet valid"), "info"
    else:
        tone = {None: "good", "info": "info", "warning": "warning", "critical": "critical"}[severity_of(left)]
        state = _("%(days)s days left") % {"days": left.days}
    return {"row": row, "holder": row.site or row.provider, "state": state, "tone": tone, "name": _scheme_name(row)}


def calendar_of(rows: list[Certification], *, now: datetime) -> Calendar:
    """Ends within the next twelve months, month by month."""
    open_ones = [row for row in rows if row.revoked_at is None and row.valid_to > now]
    return draw_calendar(
        items=[
            (f"{_scheme_name(row)} {row.level}".strip(), str(row.site or row.provider), row.valid_to)
            for row in open_ones
        ],
        now=now,
    )


def _scheme_name(row: Certification) -> str:
    return row.scheme.name_en if get_language() == "en" else row.scheme.name_ko


def _get(page: OperatorPage, certificate_id: str) -> Certification:
    row = list_certifications().filter(id=page.read_id(prefix="crt", text=certificate_id)).first()
    if row is None:
        raise NotFound
    return row


def _read_form(page: OperatorPage) -> CertificateForm:
    given = page.request.POST
    return CertificateForm(**{name: given.get(name, "").strip()[:120] for name in CertificateForm.__dataclass_fields__})


def _add(page: OperatorPage, form: CertificateForm) -> Certification:
    kind, _colon, holder = form.holder.partition(":")
    site = Site.objects.filter(code=holder).first() if kind == "site" else None
    provider = Provider.objects.filter(code=holder).first() if kind == "provider" else None
    return add_certification(
        actor=page.actor,
        scheme=form.scheme,
        level=form.level,
        issuer=form.issuer,
        document_number=form.document_number,
        valid_from=begin_of(parse_day(text=form.valid_from, pointer="/valid_from")),
        valid_to=begin_of(parse_day(text=form.valid_to, pointer="/valid_to")) + timedelta(days=1),
        site_id=site.id if site else None,
        provider_id=provider.id if provider else None,
        document=read_upload(page.request, field="document"),
        reason=page.read_reason(),
        now=clock.now(),
    )

"""Data classes and their rules: versions, the editor, and what a new version would do before it is saved."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from marketplace.console.page import OperatorPage, operator_page
from marketplace.inventory.models import Zone
from marketplace.journeys.change_rule import RuleImpact, UnsatisfiableRule, change_rule, preview_rule
from marketplace.journeys.refusal_words import RefusalWords
from marketplace.kernel import clock
from marketplace.kernel.actors import savepoint
from marketplace.kernel.errors import NotFound, OndolError
from marketplace.sovereignty.models import AssuranceScheme, DataClass, DataClassRule, HeldBy
from marketplace.sovereignty.operations import RuleInvalid
from marketplace.sovereignty.rules import CERTIFICATE_DAYS_MIN_DEFAULT, ISOLATION_ORDER, Refusal

FLAGS = ("needs_exclusive_zone", "needs_network_separation", "needs_dedicated_node", "needs_image_digest")


@dataclass(frozen=True, slots=True)
class RuleForm:
    """The editor's fields as typed; certificates one per line, alternatives of a group on one line."""

    all_of: str = ""
    any_of: str = ""
    certificate_days_min: str = str(CERTIFICATE_DAYS_MIN_DEFAULT)
    jurisdictions: str = ""
    operator_nationalities: str = ""
    zones: tuple[str, ...] = ()
    isolation_min: str = ""
    image_registries: str = ""
    customer_assessments: tuple[str, ...] = ()
    flags: frozenset[str] = field(default_factory=frozenset)
    effective_from: str = ""
    source: str = ""
    reason: str = ""


@require_GET
@operator_page("rules")
def rules(page: OperatorPage) -> HttpResponse:
    """Every class with the version in force and what is scheduled."""
    now = clock.now()
    versions: dict[Any, list[DataClassRule]] = {}
    for rule in DataClassRule.objects.order_by("-version"):
        versions.setdefault(rule.data_class_id, []).append(rule)
    items = []
    for row in DataClass.objects.order_by("code"):
        mine = versions.get(row.id, [])
        items.append(
            {
                "row": row,
                "current": next((rule for rule in mine if is_in_force(rule, now=now)), None),
                "scheduled": [rule for rule in mine if rule.effective_from > now and rule.effective_to is None],
            }
        )
    return page.render("rules.html", title=_("Data classes and rules"), items=items)


@require_http_methods(["GET", "POST"])
@operator_page("rules")
def rule(page: OperatorPage, code: str) -> HttpResponse:
    """The class's versions and the editor; a POST previews, and publishes only with `act=publish`."""
    data_class = DataClass.objects.filter(code=code).first()
    if data_class is None:
        raise NotFound
    now = clock.now()
    versions = list(data_class.rules.order_by("-version"))
    current = next((row for row in versions if is_in_force(row, now=now)), versions[0] if versions else None)
    form = form_of(current) if page.request.method == "GET" else read_form(page.request)
    impact: RuleImpact | None = None
    error: OndolError | None = None
    if page.request.method == "POST":
        try:
            requirements, start = requirements_of(form), read_start(form.effective_from, now=now)
            impact = preview_rule(data_class=code, requirements=requirements, effective_from=start, now=now)
            if page.request.POST.get("act") == "publish":
                with savepoint():
                    published = _publish(page, code, form, requirements, start=start, now=now)
                message = _("Version %(version)s was published.") % {"version": published.version}
                return page.done(message, to="console:rule", code=code)
        except OndolError as refused:
            error = refused
    return page.render(
        "rule.html",
        title=f"{data_class.code} · {data_class.name_ko}",
        status=error.http_status if error else 200,
        data_class=data_class,
        versions=[{"row": row, "is_in_force": is_in_force(row, now=now)} for row in versions],
        form=form,
        impact=describe_impact(impact) if impact else None,
        error=error,
        schemes=AssuranceScheme.objects.filter(held_by=HeldBy.SUPPLIER).order_by("code"),
        own_schemes=AssuranceScheme.objects.filter(held_by=HeldBy.CUSTOMER).order_by("code"),
        zones=Zone.choices,
        isolation=ISOLATION_ORDER,
    )


def _publish(
    page: OperatorPage, code: str, form: RuleForm, requirements: dict[str, Any], *, start: datetime, now: datetime
) -> DataClassRule:
    is_accepted = page.request.POST.get("accept_nobody") == "yes"
    return change_rule(
        actor=page.actor,
        data_class=code,
        requirements=requirements,
        effective_from=start,
        source=form.source,
        reason=page.read_reason(),
        unsatisfiable=UnsatisfiableRule.ACCEPT if is_accepted else UnsatisfiableRule.REFUSE,
        now=now,
    )


def is_in_force(row: DataClassRule, *, now: datetime) -> bool:
    """Whether decisions follow this version now."""
    return row.effective_from <= now and (row.effective_to is None or row.effective_to > now)


def form_of(row: DataClassRule | None) -> RuleForm:
    """The editor filled with a version."""
    body = row.requirements if row is not None else {}
    return RuleForm(
        all_of="\n".join(_line([item]) for item in body.get("all_of", [])),
        any_of="\n".join(_line(group) for group in body.get("any_of", [])),
        certificate_days_min=str(body.get("certificate_days_min", CERTIFICATE_DAYS_MIN_DEFAULT)),
        jurisdictions=", ".join(body.get("jurisdictions", [])),
        operator_nationalities=", ".join(body.get("operator_nationalities", [])),
        zones=tuple(body.get("zones", [])),
        isolation_min=body.get("isolation_min", ""),
        image_registries="\n".join(body.get("image_registries", [])),
        customer_assessments=tuple(body.get("customer_assessments", [])),
        flags=frozenset(name for name in FLAGS if body.get(name)),
        source=row.source if row is not None else "",
    )


def _line(group: list[dict[str, str]]) -> str:
    return " / ".join(f"{item['scheme']} {item.get('level_min', '')}".strip() for item in group)


def read_form(request: HttpRequest) -> RuleForm:
    """What was typed."""
    given = request.POST
    texts = {
        name: given.get(name, "").strip()[:4_000]
        for name in (
            "all_of", "any_of", "certificate_days_min", "jurisdictions", "operator_nationalities", "isolation_min",
            "image_registries", "effective_from", "source", "reason",
        )
    }  # fmt: skip
    return RuleForm(
        **{**texts, "source": texts["source"][:200]},
        zones=tuple(given.getlist("zones")[:10]),
        customer_assessments=tuple(given.getlist("customer_assessments")[:20]),
        flags=frozenset(name for name in FLAGS if given.get(name) == "yes"),
    )


def requirements_of(form: RuleForm) -> dict[str, Any]:
    """The requirements as they are stored; members that ask for nothing are left out.

    Raises:
        RuleInvalid: A number that is none; the rest is checked where it is stored.
    """
    if not (form.certificate_days_min.isascii() and form.certificate_days_min.isdigit()):
        raise RuleInvalid(reason=_("Days are a whole number."), pointer="/certificate_days_min")
    groups = [[_certificate(part) for part in line.split("/")] for line in form.any_of.splitlines() if line.strip()]
    body: dict[str, Any] = {
        "all_of": [_certificate(line) for line in form.all_of.splitlines() if line.strip()],
        "any_of": groups,
        "jurisdictions": _words(form.jurisdictions),
        "operator_nationalities": _words(form.operator_nationalities),
        "zones": list(form.zones),
        "isolation_min": form.isolation_min,
        "image_registries": [line.strip() for line in form.image_registries.splitlines() if line.strip()],
        "customer_assessments": list(form.customer_assessments),
        **dict.fromkeys(sorted(form.flags), True),
    }
    days = int(form.certificate_days_min[:6])
    return {name: value for name, value in body.items() if value} | {"certificate_days_min": days}


def _certificate(text: str) -> dict[str, str]:
    scheme, _space, level = text.strip().partition(" ")
    return {"scheme": scheme, **({"level_min": level.strip()} if level.strip() else {})}


def _words(text: str) -> list[str]:
    return [word.strip().upper() for word in text.split(",") if word.strip()]


def read_start(text: str, *, now: datetime) -> datetime:
    """When the version begins: an instant in Seoul, or now when none is given.

    Raises:
        RuleInvalid: Not an instant.
    """
    if not text:
        return now
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        start = None
    if start is None or not 2000 <= start.year < 2200:
        raise RuleInvalid(reason=_("Give an instant such as 2026-12-01T00:00."), pointer="/effective_from")
    return start.replace(tzinfo=clock.KST) if start.tzinfo is None else start


def describe_impact(impact: RuleImpact) -> dict[str, Any]:
    """The preview in words."""
    words = RefusalWords.read()

    def say(refusals: tuple[Refusal, ...]) -> list[str]:
        return [
            words.explain({"rule": item.rule.value, "data_class": item.data_class, "facts": item.facts})
            for item in refusals
        ]

    return {
        "at": impact.at,
        "project_count": impact.project_count,
        "projects": [
            {
                "row": item,
                "lost": [{"site": site.site, "sentences": say(site.refusals)} for site in item.lost],
                "gained": item.gained,
            }
            for item in impact.projects
        ],
        "running": [
            {"row": item, "sentences": say(item.verdict.refusals) if item.verdict else []} for item in impact.running
        ],
        "satisfied_by": impact.satisfied_by,
        "unsatisfied": [{"site": site.site, "sentences": say(site.refusals)} for site in impact.unsatisfied],
    }

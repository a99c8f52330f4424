"""Placement evidence of one instance: every decision with what it relied on, and the signed pack of a period."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from marketplace.instances.models import PlacementDecision
from marketplace.instances.queries import get_instance, list_decisions
from marketplace.journeys.evidence import build_evidence
from marketplace.journeys.evidence_document import render_evidence
from marketplace.journeys.refusal_words import RefusalWords
from marketplace.kernel import clock, ids
from marketplace.kernel.canonical import canonical_json
from marketplace.kernel.days import begin_of, parse_day
from marketplace.kernel.errors import NotFound
from marketplace.portal.page import Page, member_page

PAGE_SIZE = 10


@require_GET
@member_page("instances")
def evidence(page: Page, instance_id: str) -> HttpResponse:
    """Newest first, a page at a time."""
    instance = get_instance(actor=page.actor, instance_id=_parse(instance_id))
    before = page.request.GET.get("before", "")
    rows = list_decisions(actor=page.actor, instance_id=instance.id).select_related("facts")
    if before:
        rows = rows.filter(id__lt=_parse(before, prefix="dec"))
    found = list(rows[: PAGE_SIZE + 1])
    words = RefusalWords.read()
    today = clock.now().astimezone(clock.KST).date()
    return page.render(
        "evidence.html",
        instance=instance,
        instance_id=instance_id,
        decisions=[describe_decision(row, words) for row in found[:PAGE_SIZE]],
        next_before=ids.format_id(prefix="dec", value=found[PAGE_SIZE - 1].id) if len(found) > PAGE_SIZE else "",
        first_day=instance.created_at.astimezone(clock.KST).date(),
        last_day=today,
        may_export=page.may("audit.read") and page.may("usage.read"),
    )


@require_GET
@member_page("instances")
def evidence_pack(page: Page, instance_id: str, form: str) -> HttpResponse:
    """The signed pack of whole days in Seoul, `from` and `to` included, as JSON or PDF."""
    pack = build_evidence(
        actor=page.actor,
        instance_id=_parse(instance_id),
        period_from=_midnight(page.request.GET.get("from", ""), days=0, pointer="?from"),
        period_to=_midnight(page.request.GET.get("to", ""), days=1, pointer="?to"),
        now=clock.now(),
    )
    is_pdf = form == "pdf"
    content = render_evidence(pack) if is_pdf else canonical_json(pack.content)
    headers = {
        "Content-Disposition": f'attachment; filename="{pack.file_stem}.{form}"',
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(content, content_type="application/pdf" if is_pdf else "application/json", headers=headers)


def describe_decision(decision: PlacementDecision, words: RefusalWords) -> dict[str, Any]:
    """A decision with its candidates, rules and papers in words; for this page and the instance's."""
    candidates = [
        {**candidate, "sentences": [words.explain(reason) for reason in candidate.get("reasons", [])]}
        for candidate in decision.candidates
    ]
    return {
        "row": decision,
        "candidates": candidates,
        "rules": [{**rule, "name": words.data_class(rule["data_class"])} for rule in decision.rule_versions],
        "certificates": [{**row, "name": words.scheme(row["scheme"])} for row in decision.certificates],
        "assessments": [{**row, "name": words.scheme(row["scheme"])} for row in decision.assessments],
        "data_classes": [words.data_class(code) for code in decision.inputs.get("data_classes", [])],
        "is_dedicated": decision.inputs.get("needs_dedicated_node", False),
    }


def _midnight(text: str, *, days: int, pointer: str) -> datetime | None:
    if not text:
        return None
    return begin_of(parse_day(text=text, pointer=pointer) + timedelta(days=days))


def _parse(text: str, *, prefix: str = "ins") -> Any:
    try:
        return ids.parse_id(prefix=prefix, text=text)
    except ids.MalformedId as error:
        raise NotFound from error

"""The evidence pack as pages for people, in the reader's language; the signed JSON is what counts."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from marketplace.instances.rejection_texts import explain_rejection
from marketplace.journeys.evidence import EvidencePack
from marketplace.journeys.refusal_words import RefusalWords
from marketplace.kernel.canonical import canonical_json
from marketplace.kernel.clock import KST
from marketplace.kernel.documents import render_document

TEMPLATE: Final = "evidence.typ"
Row = Mapping[str, Any]


def render_evidence(pack: EvidencePack) -> bytes:
    """The PDF in the active language.

    Raises:
        FontMissing: No Hangul font is installed.
    """
    return render_document(template=TEMPLATE, document=describe_pack(pack))


def describe_pack(pack: EvidencePack) -> dict[str, Any]:
    """What the template prints: texts only, so that it decides nothing."""
    evidence: Row = pack.content["evidence"]
    words = RefusalWords.read()
    return {
        **pack.content,
        "language": get_language() or "ko",
        "words": _words(),
        "digest": hashlib.sha256(canonical_json(evidence)).hexdigest(),
        "period_shown": _span(evidence["period"]["from"], evidence["period"]["to"]),
        "data_classes": ", ".join(words.data_class(code) for code in evidence["project"]["data_classes"]),
        "rented_at": _time(evidence["instance"]["rented_at"]),
        "produced_at": _time(evidence["produced_at"]),
        "runs": [
            [
                run["site"],
                run["node"] + (f" ({_('dedicated')})" if run["is_node_dedicated"] else ""),
                run["accelerator"],
                str(run["devices"]),
                _span(run["allocated_at"], run["released_at"]),
            ]
            for run in evidence["runs"]
        ],
        "decisions": [_decision(row, evidence, words) for row in evidence["decisions"]],
        "certificates": [_certificate(row, words) for row in evidence["certificates"].values()],
        "usage": [
            [_span(row["started_at"], row["ended_at"]), str(row["devices"]), row["kind"]] for row in evidence["usage"]
        ],
        "audit": [[_time(row["at"]), row["action"], row["by"], row["reason"] or "–"] for row in evidence["audit"]],
    }


def _decision(row: Row, evidence: Row, words: RefusalWords) -> dict[str, Any]:
    chosen = row["chosen"]
    rules = [evidence["rules"][rule["id"]] for rule in row["rules"]]
    place = (
        f"{chosen['site']} · {chosen['node']} · {chosen['accelerator']} × {chosen['devices']}"
        if chosen
        else row["reason"]
    )
    return {
        "title": f"{_time(row['decided_at'])} · {row['id']}",
        "result": place,
        "rules": ", ".join(f"{words.data_class(rule['data_class'])} v{rule['version']}" for rule in rules) or "–",
        "certificates": ", ".join(_paper(item, words) for item in row["certificates"]) or "–",
        "assessments": ", ".join(item["review_number"] for item in row["assessments"]) or "–",
        "facts": row["facts"] or "–",
        "rejected": [
            [candidate["site"], candidate["accelerator"], _why(candidate, words)] for candidate in row["candidates"]
        ],
    }


def _why(candidate: Row, words: RefusalWords) -> str:
    reasons = [words.explain(reason) for reason in candidate.get("reasons", [])]
    return "\n".join([explain_rejection(candidate["rejection"]), *reasons])


def _paper(item: Row, words: RefusalWords) -> str:
    return f"{words.scheme(item['scheme'])} {item['level']}".strip() + f" ({item['document']})"


def _certificate(row: Row, words: RefusalWords) -> list[str]:
    revoked = _("revoked %(day)s") % {"day": _time(row["revoked_at"])} if row["revoked_at"] else "–"
    return [_paper(row, words), row["holder"], row["issuer"], _span(row["valid_from"], row["valid_to"]), revoked]


def _time(text: str | None) -> str:
    if text is None:
        return "–"
    return f"{datetime.fromisoformat(text).astimezone(KST):%Y-%m-%d %H:%M:%S}"


def _span(start: str, end: str | None) -> str:
    return f"{_time(start)} ~ {_time(end) if end else ''} (KST)"


def _words() -> dict[str, str]:
    return {
        "title": _("Placement evidence"),
        "organization": _("Organization"),
        "project": _("Project"),
        "instance": _("Instance"),
        "devices": _("Devices"),
        "image": _("Image"),
        "rented": _("Rented"),
        "produced": _("Produced"),
        "where_it_ran": _("Where it ran"),
        "site": _("Site"),
        "node": _("Node"),
        "accelerator": _("Accelerator"),
        "period": _("Period"),
        "decisions": _("Decisions"),
        "result": _("Result"),
        "rules": _("Rules applied"),
        "certificates": _("Certificates relied on"),
        "assessments": _("Own assessments relied on"),
        "facts": _("Facts (SHA-256)"),
        "rejected_by": _("Not taken because"),
        "certificate": _("Certificate"),
        "holder": _("Holder"),
        "issuer": _("Issuer"),
        "since": _("Since then"),
        "usage": _("Usage"),
        "kind": _("Kind"),
        "audit": _("Audit log"),
        "at": _("Time"),
        "act": _("Act"),
        "by": _("By"),
        "reason": _("Reason"),
        "signature": _("Signature"),
        "suite": _("Suite"),
        "key": _("Key"),
        "nothing": _("None in this period."),
        "how_to_check": _(
            "These pages show the signed JSON of the same period; verify_evidence.py checks its signature and decides again."
        ),
    }

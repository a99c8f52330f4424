"""The evidence pack: complete, signed, decidable again by the auditors' program, and found out when it was changed."""

import copy
import io
import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from billing.metering import meter_instance
from marketplace.inventory.assurance import record_assessment, revoke_certification
from marketplace.inventory.models import Certification, Site
from marketplace.inventory.operations import define_site
from marketplace.journeys.admit import admit_pass
from marketplace.kernel import ids
from marketplace.kernel.actors import as_actor
from marketplace.sovereignty.operations import publish_rule
from tests.api.caller import Caller, make_caller
from tests.market import NOW, STAFF, Renter, SmallMarket, add_renter, run_instance
from tests.sovereignty.verifier import PROGRAM, load_verifier

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
VERIFIER = load_verifier()


def require_assessment() -> None:
    """The class of the bank's project asks for its own assessment of the provider from now on."""
    with as_actor(STAFF):
        publish_rule(
            actor=STAFF, data_class="personal-credit", effective_from=NOW, source="전자금융감독규정 제14조의2", now=NOW,
            requirements={
                "jurisdictions": ["KR"], "all_of": [{"scheme": "finance-csp"}, {"scheme": "isms-p"}],
                "customer_assessments": ["finance-own-assessment"], "isolation_min": "hardware",
            },
        )  # fmt: skip


def assess(renter: Renter) -> None:
    """The bank's committee agrees to the provider."""
    with as_actor(renter.actor):
        record_assessment(
            actor=renter.actor, tenant_id=renter.tenant.id, project_id=renter.project.id,
            provider_id=Site.objects.get().provider_id, scheme="finance-own-assessment", committee_on=date(2026, 11, 20),
            reported_on=None, review_number="정보보호위 2026-7", recheck_due_at=NOW + timedelta(days=365), now=NOW,
        )  # fmt: skip


def run(renter: Renter, time_machine: Any) -> str:
    """An hour on two devices, metered; the clock then stands an hour after it."""
    time_machine.move_to(NOW, tick=True)  # transitions are ordered by their ids, which begin with the time
    instance = run_instance(renter, started_at=NOW, ended_at=NOW + HOUR)
    with as_actor(STAFF):
        meter_instance(instance_id=instance.id, now=NOW + HOUR)
    time_machine.move_to(NOW + 2 * HOUR, tick=False)
    return ids.format_id(prefix="ins", value=instance.id)


def fetch(caller: Caller, instance_id: str, query: str = "") -> dict[str, Any]:
    """The pack."""
    status, pack, _response = caller.call("GET", f"/instances/{instance_id}/evidence{query}")
    assert status == 200
    body: dict[str, Any] = pack
    return body


def test_the_pack_holds_and_says_on_what_it_was_decided(caller: Caller, time_machine: Any) -> None:
    """Rule version, both certificates and the bank's assessment are in it; the program decides the same again."""
    require_assessment()
    assess(caller.renter)
    instance_id = run(caller.renter, time_machine)
    pack = fetch(caller, instance_id)
    done, wrong = VERIFIER.check_pack(pack)
    assert wrong == []
    assert len(done) == 4
    evidence = pack["evidence"]
    (decision,) = [row for row in evidence["decisions"] if row["outcome"] == "placed"]
    assert [(rule["data_class"], rule["version"]) for rule in decision["rules"]] == [("personal-credit", 2)]
    assert {item["scheme"] for item in decision["certificates"]} == {"finance-csp", "isms-p"}
    assert [item["review_number"] for item in decision["assessments"]] == ["정보보호위 2026-7"]
    assert [(run["site"], run["node"], run["devices"]) for run in evidence["runs"]] == [("pangyo", "node-1", 2)]
    assert next(row["action"] for row in evidence["audit"]) == "instance.rented"


def test_what_changes_afterwards_changes_no_decision(caller: Caller, time_machine: Any) -> None:
    """The site moves abroad, the certificate is revoked, the rule is tightened: the pack still holds and tells the revocation."""
    instance_id = run(caller.renter, time_machine)
    with as_actor(STAFF):
        site = Site.objects.get()
        define_site(
            actor=STAFF, provider_id=site.provider_id, code="pangyo", name_ko="판교", name_en="Pangyo", jurisdiction="JP",
            now=NOW + HOUR,
        )  # fmt: skip
        certificate = Certification.objects.get(scheme__code="isms-p")
        revoke_certification(actor=STAFF, certification_id=certificate.id, reason="심사 취소", now=NOW + HOUR)
    pack = fetch(caller, instance_id)
    assert VERIFIER.check_pack(pack)[1] == []
    told = pack["evidence"]["certificates"][str(certificate.id)]
    assert (told["revoked_at"], told["revocation_reason"]) == ("2026-11-24T04:00:00Z", "심사 취소")


@pytest.mark.parametrize("change", ["site", "certificate", "rule", "chosen", "usage"])
def test_a_changed_pack_is_found_out(caller: Caller, time_machine: Any, change: str) -> None:
    """By the signature; and where a forger could sign it again, by the decision that does not follow any more."""
    pack = copy.deepcopy(fetch(caller, run(caller.renter, time_machine)))
    evidence = pack["evidence"]
    (facts,) = evidence["facts"].values()
    decision = evidence["decisions"][-1]
    if change == "site":
        facts["sites"]["pangyo"]["jurisdiction"] = "US"
    elif change == "certificate":
        facts["sites"]["pangyo"]["certificates"][0]["valid_to"] = "2026-11-24T00:00:00Z"
    elif change == "rule":
        next(iter(evidence["rules"].values()))["requirements"]["zones"] = ["public"]
    elif change == "chosen":
        decision["chosen"]["site"] = "elsewhere"
    else:
        evidence["usage"][0]["ended_at"] = "2026-11-24T09:00:00Z"
    _done, wrong = VERIFIER.check_pack(pack)
    assert "the signature does not belong to this evidence and key" in wrong
    assert len(wrong) >= 2, "the content itself must not hold either"


def test_the_program_runs_alone(caller: Caller, time_machine: Any, tmp_path: Path) -> None:
    """As a process without any of our packages, with the key obtained apart; another key refuses."""
    pack = fetch(caller, run(caller.renter, time_machine))
    file, key = tmp_path / "pack.json", tmp_path / "key.pem"
    file.write_text(json.dumps(pack), encoding="utf-8")
    _status, keys, _response = caller.call("GET", "/signing-keys")
    key.write_text(keys["data"][0]["public_key_pem"], encoding="utf-8")
    command = [sys.executable, "-I", "-S", str(PROGRAM), str(file), "--public-key", str(key)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.splitlines()[-1] == "the evidence holds"
    file.write_text(json.dumps({**pack, "signature": {**pack["signature"], "value": "MEUCIQ=="}}), encoding="utf-8")
    assert subprocess.run(command, capture_output=True, check=False, cwd=tmp_path).returncode == 1
    file.write_text("[]", encoding="utf-8")
    assert subprocess.run(command, capture_output=True, check=False, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(("language", "title"), [("en", "Placement evidence"), ("ko", "배치 근거")])
def test_the_pages_have_the_same_in_both_languages(
    caller: Caller, time_machine: Any, language: str, title: str
) -> None:
    instance_id = run(caller.renter, time_machine)
    response = caller.client.get(
        f"/api/v1/instances/{instance_id}/evidence?format=pdf",
        headers={"Authorization": f"Bearer {caller.secret}", "Accept-Language": language},
    )
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/pdf")
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(response.content)).pages)
    assert title in text
    assert "node-1" in text
    assert "finance-csp-pangyo" in text


def test_a_waiting_instance_says_whose_assessment_is_missing(caller: Caller, time_machine: Any) -> None:
    """It was permitted when it was rented; then the rule asks for more, and it waits with the reason until it is there."""
    status, instance, _response = caller.call("POST", "/instances", caller.body())
    assert status == 201
    require_assessment()
    admit_pass(holder="test", now=NOW)
    _status, diagnosis, _response = caller.call("GET", f"/instances/{instance['id']}/diagnosis")
    (reason,) = diagnosis["reasons"]
    assert (reason["code"], reason["blocking"]) == ("CustomerAssessmentMissing", "yes")
    assert reason["message"].startswith("Your organization's assessment of this provider is missing: ")
    assess(caller.renter)
    time_machine.move_to(NOW + timedelta(seconds=1), tick=False)
    admit_pass(holder="test", now=NOW + timedelta(seconds=1))
    _status, placed, _response = caller.call("GET", f"/instances/{instance['id']}")
    assert placed["state"] == "provisioning"
    time_machine.move_to(NOW + HOUR, tick=False)
    pack = fetch(caller, instance["id"])
    assert VERIFIER.check_pack(pack)[1] == []
    assert [row["outcome"] for row in pack["evidence"]["decisions"]] == ["waiting", "placed"]


def test_a_rent_without_the_assessment_is_refused_and_says_whom_to_ask(caller: Caller) -> None:
    require_assessment()
    status, problem, _response = caller.call("POST", "/instances", caller.body())
    assert (status, problem["code"]) == (403, "data_class_not_allowed")
    (site,) = problem["sites"]
    (reason,) = site["reasons"]
    assert reason["rule"] == "customer_assessment_missing"
    assert reason["message"].startswith("Your organization's assessment of this provider is missing")
    assert problem["ask"] == []
    assert caller.call("GET", "/instances")[1]["data"] == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?from=2026-11-24T05:00:00Z&to=2026-11-24T04:00:00Z", 422, "period_invalid"),
        ("?to=2020-01-01T00:00:00Z", 422, "period_invalid"),
        ("?from=2099-01-01T00:00:00Z", 422, "period_invalid"),
        ("?from=0001-01-01T00:00:00%2B09:00&to=9999-12-31T23:59:59-12:00", 200, None),
        ("?from=yesterday", 422, "validation_failed"),
        ("?format=html", 422, "validation_failed"),
        ("?language=ko", 422, "validation_failed"),
    ],
)
def test_a_period_in_which_nothing_can_be_is_refused(
    caller: Caller, time_machine: Any, query: str, status: int, code: str | None
) -> None:
    instance_id = run(caller.renter, time_machine)
    found, body, _response = caller.call("GET", f"/instances/{instance_id}/evidence{query}")
    assert (found, body.get("code")) == (status, code)


def test_evidence_is_for_those_who_may_read_the_audit_log(small_market: SmallMarket, time_machine: Any) -> None:
    del small_market
    renter = add_renter()
    instance_id = run(renter, time_machine)
    reader = make_caller(renter, scopes=frozenset({"instances.read", "usage.read"}))
    assert reader.call("GET", f"/instances/{instance_id}/evidence")[0] == 403
    stranger = make_caller(add_renter(number="6068100016", name="다솜정밀", data_classes=("open",)))
    assert stranger.call("GET", f"/instances/{instance_id}/evidence")[0] == 404

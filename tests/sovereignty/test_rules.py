"""May it run there? The rules against literal sites and certificates."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.sovereignty.requirements import RequirementsMalformed, parse_requirements
from marketplace.sovereignty.rules import (
    Certificate,
    Requirements,
    Rule,
    SchemeRequirement,
    SiteFacts,
    Verdict,
    permits,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
LEVELS = {"csap": ("low", "mid", "high"), "isms-p": (), "finance-csp": ()}
CREDIT = Requirements(
    data_class="personal-credit",
    rule_id=UUID(int=1),
    version=1,
    all_of=(SchemeRequirement(scheme="finance-csp"), SchemeRequirement(scheme="csap", level_min="mid")),
    jurisdictions=("KR",),
    operator_nationalities=("KR",),
    isolation_min="hardware",
)


def certificate(scheme: str, level: str = "", *, days: int = 400, number: int = 1) -> Certificate:
    """A certificate that began a day ago and holds `days` more."""
    return Certificate(
        id=UUID(int=number),
        scheme=scheme,
        level=level,
        document_number=f"{scheme}-{number}",
        valid_from=NOW - timedelta(days=1),
        valid_to=NOW + timedelta(days=days),
    )


SITE = SiteFacts(
    site_id=UUID(int=9),
    code="pangyo",
    jurisdiction="KR",
    operator_nationality="KR",
    zone="finance",
    is_network_separated=True,
    certificates=(certificate("finance-csp", number=1), certificate("csap", "high", number=2)),
)


def decide(
    site: SiteFacts = SITE,
    *,
    requirements: tuple[Requirements, ...] = (CREDIT,),
    isolation: str = "device",
    covers_until: datetime | None = None,
) -> Verdict:
    """One verdict at NOW."""
    return permits(
        requirements=requirements,
        site=site,
        isolation_class=isolation,
        scheme_levels=LEVELS,
        now=NOW,
        covers_until=covers_until,
    )


def rules_of(verdict: Verdict) -> list[Rule]:
    """The tokens of a verdict's refusals."""
    return [refusal.rule for refusal in verdict.refusals]


def test_a_site_with_every_certificate_is_permitted_and_the_evidence_is_named() -> None:
    """Both certificates stand in the verdict."""
    verdict = decide()
    assert verdict.is_permitted
    assert [item.document_number for item in verdict.relied_on] == ["finance-csp-1", "csap-2"]


def test_every_refusal_is_told_not_only_the_first() -> None:
    """A foreign, uncertified site with time-slicing fails five requirements."""
    site = replace(SITE, jurisdiction="US", operator_nationality="US", certificates=())
    assert rules_of(decide(site, isolation="none")) == [
        Rule.JURISDICTION,
        Rule.OPERATOR_NATIONALITY,
        Rule.ISOLATION,
        Rule.CERTIFICATE_MISSING,
        Rule.CERTIFICATE_MISSING,
    ]


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        (certificate("csap", "low", number=2), Rule.CERTIFICATE_LEVEL_TOO_LOW),
        (certificate("csap", "mid", days=1, number=2), Rule.CERTIFICATE_EXPIRES_TOO_SOON),
        (replace(certificate("csap", "mid", number=2), revoked_at=NOW), Rule.CERTIFICATE_REVOKED),
        (replace(certificate("csap", "mid", number=2), valid_to=NOW), Rule.CERTIFICATE_EXPIRED),
        (
            replace(certificate("csap", "mid", number=2), valid_from=NOW + timedelta(seconds=1)),
            Rule.CERTIFICATE_EXPIRED,
        ),
        (
            replace(certificate("csap", "mid", number=2), revoked_at=NOW + timedelta(days=3)),
            Rule.CERTIFICATE_EXPIRES_TOO_SOON,
        ),
    ],
)
def test_an_unsuitable_certificate_is_refused_by_its_own_rule(changed: Certificate, rule: Rule) -> None:
    """Level, end, revocation and beginning, to the second."""
    site = replace(SITE, certificates=(certificate("finance-csp", number=1), changed))
    assert rules_of(decide(site)) == [rule]


def test_a_bounded_instance_needs_certificates_only_until_its_end() -> None:
    """Five days of validity do for four days of work, and not for six."""
    site = replace(
        SITE, certificates=(certificate("finance-csp", days=5), certificate("csap", "mid", days=5, number=2))
    )
    assert decide(site, covers_until=NOW + timedelta(days=4)).is_permitted
    assert rules_of(decide(site, covers_until=NOW + timedelta(days=6))) == [Rule.CERTIFICATE_EXPIRES_TOO_SOON] * 2


def test_one_of_a_group_is_enough() -> None:
    """any_of: either scheme will do."""
    either = Requirements(
        data_class="x",
        rule_id=UUID(int=2),
        version=1,
        any_of=((SchemeRequirement(scheme="isms-p"), SchemeRequirement(scheme="csap", level_min="low")),),
    )
    assert decide(requirements=(either,)).is_permitted
    assert rules_of(decide(replace(SITE, certificates=()), requirements=(either,))) == [Rule.CERTIFICATE_MISSING]


def test_a_mix_of_classes_takes_the_strictest() -> None:
    """Adding a class never permits more."""
    public_only = Requirements(data_class="n2sf-c", rule_id=UUID(int=3), version=1, zones=("public",))
    assert rules_of(decide(requirements=(CREDIT, public_only))) == [Rule.ZONE]


@given(st.lists(st.sampled_from(["finance-csp", "csap", "isms-p"]), max_size=4), st.integers(0, 800))
def test_more_certificates_never_refuse_more(schemes: list[str], days: int) -> None:
    """Monotone: an additional certificate cannot take a permission away."""
    extra = tuple(certificate(scheme, "mid", days=days, number=10 + index) for index, scheme in enumerate(schemes))
    few = replace(SITE, certificates=SITE.certificates[:1])
    more = replace(few, certificates=(*few.certificates, *extra))
    assert len(decide(more).refusals) <= len(decide(few).refusals)


def test_stored_requirements_are_read_strictly() -> None:
    """A misspelt member would otherwise silently permit."""
    with pytest.raises(RequirementsMalformed, match="juristiction"):
        parse_requirements(data_class="x", rule_id=UUID(int=1), version=1, body={"juristiction": ["KR"]})
    with pytest.raises(RequirementsMalformed, match="isolation_min"):
        parse_requirements(data_class="x", rule_id=UUID(int=1), version=1, body={"isolation_min": "strong"})
    with pytest.raises(RequirementsMalformed, match="scheme"):
        parse_requirements(data_class="x", rule_id=UUID(int=1), version=1, body={"all_of": [{"level_min": "mid"}]})

"""The rules and placement against an oracle that was written apart from them: the program that auditors run."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.scheduling.placement import Request, Terms, choose
from marketplace.scheduling.stock import Stock, StockView
from marketplace.sovereignty.evidence import at, describe_customer, describe_site
from marketplace.sovereignty.requirements import describe_requirements, parse_requirements
from marketplace.sovereignty.rules import (
    ISOLATION_ORDER,
    Assessment,
    Certificate,
    CustomerFacts,
    Requirements,
    SchemeRequirement,
    SiteFacts,
    permits,
)
from tests.sovereignty.verifier import load_verifier

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
LEVELS = {"csap": ("low", "mid", "high"), "isms-p": (), "finance-csp": ()}
ORACLE = load_verifier()
DIGEST = "a" * 64
PROVIDERS = (UUID(int=71), UUID(int=72))
PROJECTS = (UUID(int=81), UUID(int=82))
SECTORS = ("public", "finance", "manufacturing")
MOMENTS = st.integers(-60, 60).map(lambda days: NOW + timedelta(days=days)) | st.sampled_from(
    [NOW, NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)]
)
SCHEMES = st.builds(
    SchemeRequirement,
    scheme=st.sampled_from(["csap", "isms-p", "finance-csp"]),
    level_min=st.sampled_from(["", "", "low", "mid", "high"]),
)


def few(items: st.SearchStrategy[object], most: int = 2) -> st.SearchStrategy[tuple[object, ...]]:
    """None to a few."""
    return st.lists(items, max_size=most).map(tuple)


REQUIREMENTS = st.builds(
    Requirements,
    data_class=st.sampled_from(["alpha", "beta", "gamma"]),
    rule_id=st.integers(1, 9).map(lambda number: UUID(int=number)),
    version=st.just(1),
    all_of=few(SCHEMES),
    any_of=few(st.lists(SCHEMES, min_size=1, max_size=2).map(tuple), most=1),
    jurisdictions=st.sampled_from([(), ("KR",), ("KR", "JP")]),
    operator_nationalities=st.sampled_from([(), ("KR",)]),
    zones=st.sampled_from([(), ("public",), ("finance", "general")]),
    needs_exclusive_zone=st.booleans(),
    needs_network_separation=st.booleans(),
    isolation_min=st.sampled_from(["", *ISOLATION_ORDER]),
    needs_dedicated_node=st.booleans(),
    image_registries=st.sampled_from([(), ("registry.ondol.kr/curated",), ("registry.ondol.kr/", "mirror.go.kr")]),
    needs_image_digest=st.booleans(),
    customer_assessments=st.sampled_from([(), ("own",), ("own", "review")]),
    certificate_days_min=st.sampled_from([0, 1, 30]),
)
CERTIFICATES = st.builds(
    Certificate,
    id=st.integers(100, 110).map(lambda number: UUID(int=number)),
    scheme=st.sampled_from(["csap", "isms-p", "finance-csp"]),
    level=st.sampled_from(["", "low", "mid", "high"]),
    document_number=st.just("d"),
    valid_from=MOMENTS,
    valid_to=MOMENTS,
    revoked_at=st.none() | MOMENTS,
)
ASSESSMENTS = st.builds(
    Assessment,
    id=st.integers(200, 210).map(lambda number: UUID(int=number)),
    scheme=st.sampled_from(["own", "review"]),
    provider_id=st.sampled_from(PROVIDERS),
    project_id=st.none() | st.sampled_from(PROJECTS),
    review_number=st.just("r"),
    valid_from=MOMENTS,
    recheck_due_at=MOMENTS,
    withdrawn_at=st.none() | MOMENTS,
)
CUSTOMERS = st.builds(
    CustomerFacts,
    sector=st.sampled_from(SECTORS),
    project_id=st.sampled_from(PROJECTS),
    assessments=few(ASSESSMENTS, most=3),
)
IMAGES = st.none() | st.sampled_from(
    [
        "registry.ondol.kr/curated/torch:2.8",
        f"registry.ondol.kr/curated/torch@sha256:{DIGEST}",
        f"registry.ondol.kr/curatedly/torch@sha256:{DIGEST}",
        f"mirror.go.kr/torch@sha256:{DIGEST}",
        "docker.io/torch",
    ]
)


def sites(number: int) -> st.SearchStrategy[SiteFacts]:
    """A site of one of two providers."""
    return st.builds(
        SiteFacts,
        site_id=st.just(UUID(int=900 + number)),
        code=st.just(f"site-{number}"),
        jurisdiction=st.sampled_from(["KR", "KR", "JP", "US"]),
        operator_nationality=st.sampled_from(["KR", "KR", "US"]),
        zone=st.sampled_from(["public", "finance", "general"]),
        is_network_separated=st.booleans(),
        provider_id=st.sampled_from(PROVIDERS),
        provider=st.just("hanbit"),
        reserved_sectors=st.sampled_from([(), (), ("finance",), ("public", "finance")]),
        certificates=few(CERTIFICATES, most=4),
    )


def ask_oracle(
    requirements: list[Requirements],
    site: SiteFacts,
    isolation: str,
    image: str | None,
    customer: CustomerFacts,
    covers_until: datetime | None,
) -> set[tuple[str, str]]:
    """What the auditors' program says, from JSON alone."""
    rules = [{"data_class": item.data_class, "requirements": describe_requirements(item)} for item in requirements]
    levels = {scheme: list(names) for scheme, names in LEVELS.items()}
    until = ORACLE.moment(at(covers_until))
    found: set[tuple[str, str]] = ORACLE.judge(
        rules, describe_site(site), isolation, image, describe_customer(customer), levels, ORACLE.moment(at(NOW)), until
    )
    return found


@given(
    st.lists(REQUIREMENTS, max_size=3), sites(1), st.sampled_from(ISOLATION_ORDER), IMAGES, CUSTOMERS,
    st.none() | st.integers(1, 50).map(lambda days: NOW + timedelta(days=days)),
)  # fmt: skip
@settings(max_examples=400)
def test_the_rules_refuse_exactly_what_the_oracle_refuses(
    requirements: list[Requirements],
    site: SiteFacts,
    isolation: str,
    image: str | None,
    customer: CustomerFacts,
    covers_until: datetime | None,
) -> None:
    """Every token under every class, for any mix."""
    verdict = permits(
        requirements=requirements, site=site, isolation_class=isolation, scheme_levels=LEVELS, now=NOW,
        covers_until=covers_until, customer=customer, image=image,
    )  # fmt: skip
    told = {(refusal.rule.value, refusal.data_class) for refusal in verdict.refusals}
    assert told == ask_oracle(requirements, site, isolation, image, customer, covers_until)


@given(st.lists(REQUIREMENTS, min_size=1, max_size=2), st.tuples(sites(1), sites(2), sites(3)), IMAGES, CUSTOMERS)
@settings(max_examples=200)
def test_choose_never_returns_a_forbidden_site_and_finds_a_permitted_one(
    requirements: list[Requirements], places: tuple[SiteFacts, ...], image: str | None, customer: CustomerFacts
) -> None:
    """Three sites with room: the choice is permitted by the oracle; none only when the oracle permits none."""
    stocks, terms, forbidden = [], {}, {}
    permitted = set()
    for number, site in enumerate(places):
        offer = UUID(int=500 + number)
        isolation = ("device", "hardware", "none")[number]
        stocks.append(
            Stock(
                stock_id=UUID(int=number + 1), node_id=UUID(int=number + 1), node=f"n{number}", cluster_id=UUID(int=number + 1),
                cluster="c", site_id=site.site_id, site=site.code, accelerator="acc", offer_id=offer, capacity_devices=8,
                free_devices=8, free_cpu_millis=8_000, free_memory_mib=8_000,
            )
        )  # fmt: skip
        terms[offer] = Terms(
            offer_id=offer, term_id=offer, price_micros_per_device_hour=1_000 + number, cpu_millis_per_device=1,
            memory_mib_per_device=1,
        )  # fmt: skip
        verdict = permits(
            requirements=requirements, site=site, isolation_class=isolation, scheme_levels=LEVELS, now=NOW,
            covers_until=None, customer=customer, image=image,
        )  # fmt: skip
        if not verdict.is_permitted:
            forbidden[site.site_id, "acc"] = tuple(refusal.rule.value for refusal in verdict.refusals)
        if not ask_oracle(requirements, site, isolation, image, customer, None):
            permitted.add(site.code)
    choice = choose(
        request=Request(instance_id=UUID(int=1), devices=2, terms=terms, forbidden=forbidden), view=StockView(stocks)
    )
    if choice.placement is None:
        assert permitted == set()
    else:
        assert choice.placement.site in permitted


@given(st.lists(REQUIREMENTS, min_size=1, max_size=3), sites(1), CUSTOMERS)
def test_a_mix_takes_the_strictest(requirements: list[Requirements], site: SiteFacts, customer: CustomerFacts) -> None:
    """A mix is permitted only where each of its classes alone is."""

    def is_permitted(rules: list[Requirements]) -> bool:
        return permits(
            requirements=rules, site=site, isolation_class="device", scheme_levels=LEVELS, now=NOW, covers_until=None,
            customer=customer,
        ).is_permitted  # fmt: skip

    assert is_permitted(requirements) == all(is_permitted([item]) for item in requirements)


@given(REQUIREMENTS)
def test_requirements_are_stored_and_read_back_unchanged(required: Requirements) -> None:
    body = describe_requirements(required)
    assert (
        parse_requirements(data_class=required.data_class, rule_id=required.rule_id, version=1, body=body) == required
    )

"""What the catalogue says: prices with and without VAT, and refusals in words, not codes."""

from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from marketplace.journeys.refusal_words import RefusalWords
from marketplace.portal.templatetags.portal import per_month, with_vat, won_per_hour
from tests.market import NOW, add_renter, build_market
from tests.portal.test_pages import add_person


def test_the_vat_switch_is_exact() -> None:
    """₩5,400 and a tenth of it; the month is 730 hours of either."""
    assert won_per_hour(with_vat(5_400_000_000, "excluded")) == "₩5,400"
    assert won_per_hour(with_vat(5_400_000_000, "included")) == "₩5,940"
    assert per_month(with_vat(10_800_000_000, "included")) == "₩8,672,400"


def test_a_refusal_names_class_and_scheme_and_says_days_in_seoul() -> None:
    """Alternatives and levels stay; a code without a name is shown as it is; 15:30 UTC is the next day in Seoul."""
    words = RefusalWords(data_classes={"n2sf-s": "N2SF sensitive (S)"}, schemes={"csap": "CSAP", "isms-p": "ISMS-P"})
    facts = {
        "required": "csap mid / other",
        "actual": "csap low",
        "document": "CSAP-1",
        "valid_to": "2026-12-31T15:30:00+00:00",
        "needed_until": "2027-01-10T00:00:00+00:00",
    }
    with translation.override("en"):
        sentence = words.explain({"rule": "certificate_expires_too_soon", "data_class": "n2sf-s", "facts": facts})
    assert (
        sentence
        == "Data class N2SF sensitive (S) requires CSAP mid / other until 2027-01-10; the site's certificate CSAP-1"
        " ends at 2027-01-01."
    )


@pytest.mark.django_db
def test_the_catalogue_refuses_by_name_and_prices_by_switch(client: Client, time_machine: Any) -> None:
    """A site without certificates, for personal credit data; then a permitted one with VAT included."""
    time_machine.move_to(NOW, tick=False)
    build_market(is_certified=False)
    for number, data_class in (("1168100018", "personal-credit"), ("6068100016", "open")):
        renter = add_renter(number=number, name=data_class, data_classes=(data_class,))
        client.force_login(add_person(renter, email=f"{data_class}@gaon.example"))
        client.cookies["ondol_language"] = "en"
        text = client.get("/catalogue?devices=2&vat=included").content.decode()
        if data_class == "personal-credit":
            assert (
                "data class Personal credit and unique-ID data requires: Financial-sector cloud safety assessment."
            ) in text
            assert "finance-csp" not in text
        else:
            assert '<span class="price">₩11,880</span>' in text
            assert "Why not for this project" not in text
            excluded = client.get("/catalogue?devices=2").content.decode()
            assert '<span class="price">₩10,800</span>' in excluded

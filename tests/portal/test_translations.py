"""Every sentence a person may see has its Korean."""

import re

import pytest
from babel.messages.pofile import read_po

from devstack.paths import REPOSITORY

pytestmark = pytest.mark.unit

CATALOGUE = REPOSITORY / "locale/ko/LC_MESSAGES/django.po"


def test_no_sentence_is_left_untranslated() -> None:
    """Neither empty nor fuzzy; the same placeholders on both sides."""
    with CATALOGUE.open("rb") as file:
        messages = [message for message in read_po(file, locale="ko") if message.id]
    assert len(messages) > 300
    for message in messages:
        translations = (
            [message.string] if isinstance(message.string, str) else [text or "" for text in message.string or [""]]
        )
        assert all(translations), message.id
        assert not message.fuzzy, message.id
        original = message.id if isinstance(message.id, str) else message.id[0]
        wanted = set(re.findall(r"%\((\w+)\)s", original))
        assert all(set(re.findall(r"%\((\w+)\)s", text)) == wanted for text in translations), message.id


def test_every_sentence_of_the_templates_is_in_the_catalogue() -> None:
    """A new `translate` tag without a translation fails here, not on a customer's screen."""
    with CATALOGUE.open("rb") as file:
        known = {message.id for message in read_po(file, locale="ko") if isinstance(message.id, str)}
    found = set()
    for template in (REPOSITORY / "templates/portal").glob("*.html"):
        found |= set(re.findall(r'{% translate "([^"]+)"', template.read_text(encoding="utf-8")))
        found |= set(re.findall(r"{% translate '([^']+)'", template.read_text(encoding="utf-8")))
    assert found - known == set()

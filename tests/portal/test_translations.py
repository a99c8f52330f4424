"""Every sentence a person may see has its Korean."""

import ast
import re
from collections.abc import Iterator

import pytest
from babel.messages.pofile import read_po

from devstack.paths import REPOSITORY

pytestmark = pytest.mark.unit

MESSAGES = {"_": 1, "gettext": 1, "gettext_lazy": 1, "gettext_noop": 1, "ngettext": 2, "ngettext_lazy": 2}
"""Functions of gettext, and how many of their arguments are messages."""
TRANSLATE = re.compile(r"""{%\s*translate (?:"([^"]+)"|'([^']+)')""")
BLOCK = re.compile(r"{%\s*blocktranslate\b([^%]*)%}(.*?){%\s*endblocktranslate\s*%}", re.DOTALL)
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
    """A new tag without a translation fails here, not on a screen; the operators' pages too."""
    known, found = read_known(), set()
    for template in sorted((REPOSITORY / "templates").rglob("*.html")):
        text = template.read_text(encoding="utf-8")
        found |= {first or second for first, second in TRANSLATE.findall(text)}
        for options, body in BLOCK.findall(text):
            found |= set(read_block(options, body))
    assert found - known == set()


def read_block(options: str, body: str) -> Iterator[str]:
    """The messages of a `blocktranslate` as Django makes them: `{{ x }}` → `%(x)s`; each form of a plural."""
    for part in re.split(r"{%\s*plural\s*%}", body):
        text = re.sub(r"{{\s*(\w+)\s*}}", r"%(\1)s", part.replace("%", "%%") if "{{" in part else part)
        yield " ".join(line.strip() for line in text.strip().splitlines()) if "trimmed" in options else text


def test_every_sentence_of_the_product_s_python_is_in_the_catalogue() -> None:
    """Errors, notices, choices, reasons: whatever goes through gettext, in every app."""
    known, missing = read_known(), []
    for tree in ("marketplace", "billing", "clusters"):
        for path in sorted((REPOSITORY / tree).rglob("*.py")):
            if "migrations" not in path.parts and "node_modules" not in path.parts:
                module = ast.parse(path.read_text(encoding="utf-8"))
                missing += [
                    f"{path.relative_to(REPOSITORY)}: {text}" for text in read_sentences(module) if text not in known
                ]
    assert missing == []


def read_sentences(module: ast.Module) -> Iterator[str]:
    """Literals that a module hands to gettext."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for argument in node.args[: MESSAGES.get(name, 0)]:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value


def read_known() -> set[str]:
    """Every message that has a translation."""
    known: set[str] = set()
    with CATALOGUE.open("rb") as file:
        for message in read_po(file, locale="ko"):
            known |= {message.id} if isinstance(message.id, str) else set(message.id)
    return known

"""Translations compile without gettext's programs, and a broken one is named by file and line."""

import gettext
import os
from pathlib import Path

import pytest

from devstack.messages import MessagesBroken, compile_messages

HEADER = (
    'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Language: ko\\n"\n'
    '"Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
)


def _write(root: Path, body: str) -> Path:
    path = root / "locale/ko/LC_MESSAGES/django.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + body, encoding="utf-8")
    return path


def test_a_catalogue_reads_back_with_plurals_contexts_and_without_fuzzy_entries(tmp_path: Path) -> None:
    _write(
        tmp_path,
        'msgid "Rent"\nmsgstr "대여"\n\n'
        'msgctxt "month"\nmsgid "May"\nmsgstr "5월"\n\n'
        'msgid "%(n)d device"\nmsgid_plural "%(n)d devices"\nmsgstr[0] "장치 %(n)d개"\n\n'
        '#, fuzzy\nmsgid "Stop"\nmsgstr "정지?"\n',
    )
    assert [path.name for path in compile_messages(tmp_path)] == ["django.mo"]
    with (tmp_path / "locale/ko/LC_MESSAGES/django.mo").open("rb") as file:
        translations = gettext.GNUTranslations(file)
    assert translations.gettext("Rent") == "대여"
    assert translations.pgettext("month", "May") == "5월"
    assert translations.ngettext("%(n)d device", "%(n)d devices", 3) % {"n": 3} == "장치 3개"
    assert translations.gettext("Stop") == "Stop"


def test_only_what_changed_is_compiled_again(tmp_path: Path) -> None:
    source = _write(tmp_path, 'msgid "Rent"\nmsgstr "대여"\n')
    assert len(compile_messages(tmp_path)) == 1
    assert compile_messages(tmp_path) == []
    changed = source.with_suffix(".mo").stat().st_mtime + 1
    os.utime(source, (changed, changed))
    assert len(compile_messages(tmp_path)) == 1


def test_a_translation_that_lost_a_placeholder_is_refused_by_its_line(tmp_path: Path) -> None:
    source = _write(tmp_path, '#, python-format\nmsgid "%(name)s is full"\nmsgstr "%(nam)s 가득 참"\n')
    with pytest.raises(MessagesBroken, match=r"django\.po:8: unknown named placeholder 'nam'"):
        compile_messages(tmp_path)
    assert not source.with_suffix(".mo").exists()

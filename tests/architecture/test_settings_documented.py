"""docs/operations/settings.md says exactly what marketplace/config/environment.py reads."""

import re

from marketplace.config.environment import Environment
from marketplace.config.environment_document import render_settings_document
from tests.architecture.tree import PRODUCT, ROOT, list_modules

DOCUMENT = ROOT / "docs/operations/settings.md"


def test_document_is_what_the_fields_say() -> None:
    """Mended by `python -m marketplace.config.environment_document`."""
    assert DOCUMENT.read_text(encoding="utf-8") == render_settings_document()


def test_every_setting_has_a_sentence() -> None:
    for name, setting in Environment.model_fields.items():
        assert setting.description, name
        assert setting.description.endswith("."), name
        assert len(setting.description) > 20, name
        assert f"`ONDOL_{name.upper()}`" in DOCUMENT.read_text(encoding="utf-8")


def test_nothing_else_reads_the_environment() -> None:
    """A variable read elsewhere would be undocumented; only the settings module's own name may be set for Django."""
    reads = re.compile(r"os\.(environ|getenv)(?!\.setdefault\(\"(DJANGO_SETTINGS_MODULE|ONDOL_))")
    found = [
        f"{path}:{number}"
        for path in list_modules(*PRODUCT)
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), start=1)
        if reads.search(line)
    ]
    assert found == []

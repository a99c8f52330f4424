"""What import-linter cannot say: foreign keys follow the layers, no app stands outside them, nothing imports an admin module."""

import configparser

import grimp
from django.apps import apps
from django.db import models

from tests.architecture.tree import PRODUCT, ROOT, list_apps


def _read_layers() -> list[list[str]]:
    """Rows of `.importlinter`'s layers contract, the top first."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    rows = contracts["importlinter:contract:layers"]["layers"].strip().splitlines()
    return [[name.strip(" ()") for name in row.split("|")] for row in rows]


def _find_row(module: str) -> int | None:
    for number, row in enumerate(_read_layers()):
        if any(module == name or module.startswith(name + ".") for name in row):
            return number
    return None


def _is_ours(model: type[models.Model]) -> bool:
    return model.__module__.split(".", maxsplit=1)[0] in PRODUCT


def test_every_app_has_a_layer() -> None:
    outside = [str(app) for app in list_apps() if _find_row(str(app).replace("/", ".")) is None]
    assert outside == []


def test_foreign_keys_follow_the_layers() -> None:
    """A row may point at rows of its own app or of a lower layer, never up and never sideways."""
    wrong = []
    pairs = 0
    for model in filter(_is_ours, apps.get_models(include_auto_created=True)):
        for field in model._meta.get_fields():
            target = field.related_model
            if not (field.is_relation and field.concrete and isinstance(target, type) and _is_ours(target)):
                continue
            pairs += 1
            same_app = model._meta.app_label == target._meta.app_label
            below = (_find_row(target.__module__) or 0) > (_find_row(model.__module__) or 0)
            if not (same_app or below):
                wrong.append(
                    f"{model.__module__}.{model.__name__}.{field.name} -> {target.__module__}.{target.__name__}"
                )
    assert wrong == []
    assert pairs > 20, "the check must have looked at something"


def test_nothing_imports_an_admin_module() -> None:
    graph = grimp.build_graph(*PRODUCT)
    admins = [module for module in graph.modules if "admin" in module.split(".")]
    importers = {
        f"{importer} imports {admin}"
        for admin in admins
        for importer in graph.find_modules_that_directly_import(admin)
        if "admin" not in importer.split(".")
    }
    assert importers == set()

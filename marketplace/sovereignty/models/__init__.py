"""Sovereignty tables."""

from marketplace.sovereignty.models.assurance_scheme import AssuranceScheme, HeldBy
from marketplace.sovereignty.models.data_class import DataClass
from marketplace.sovereignty.models.data_class_rule import DataClassRule
from marketplace.sovereignty.models.facts_snapshot import FactsSnapshot

__all__ = ["AssuranceScheme", "DataClass", "DataClassRule", "FactsSnapshot", "HeldBy"]

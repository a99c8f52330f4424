"""Sovereignty tables."""

from marketplace.sovereignty.models.assurance_scheme import AssuranceScheme
from marketplace.sovereignty.models.data_class import DataClass
from marketplace.sovereignty.models.data_class_rule import DataClassRule

__all__ = ["AssuranceScheme", "DataClass", "DataClassRule"]

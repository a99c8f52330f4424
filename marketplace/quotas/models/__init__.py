"""Quota tables."""

from marketplace.quotas.models.quota import Enforcement, Meter, Quota, QuotaHold, ScopeKind, SelectorKind

__all__ = ["Enforcement", "Meter", "Quota", "QuotaHold", "ScopeKind", "SelectorKind"]

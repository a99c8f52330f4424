"""Billing tables."""

from billing.models.price_version import PriceVersion

__all__ = ["PriceVersion"]

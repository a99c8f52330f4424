"""Metering, prices, rating, ledger and invoices."""

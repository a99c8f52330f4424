"""Measured ratios of Ondol to named baselines (performance.md); never part of a test run."""

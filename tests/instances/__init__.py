"""Tests of the instances room."""

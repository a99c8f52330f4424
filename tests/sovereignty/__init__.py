"""Tests of the sovereignty room."""

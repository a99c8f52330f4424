"""Tests of the local machine itself."""

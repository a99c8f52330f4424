"""Checks of the structure: layers, names, sizes, documents."""

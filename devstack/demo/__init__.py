"""The demo: a small market, and the main job played in it."""

"""The portal in a real browser, over a running Ondol."""

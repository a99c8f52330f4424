"""The customers' web portal."""

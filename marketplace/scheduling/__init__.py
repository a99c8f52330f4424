"""Where and when? Pure placement and queue order over plain data; no models."""

"""How money arrives: one port, and a module for each way."""

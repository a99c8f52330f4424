"""How things look on screens."""

"""A whole market under random steps, judged after each one by plain SQL."""

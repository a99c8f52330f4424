"""Security: what is checked of every route, found by the routes themselves."""

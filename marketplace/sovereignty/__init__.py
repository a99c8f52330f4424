"""May it run there? Data classes, assurance schemes and dated rules."""

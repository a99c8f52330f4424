"""What is there? Providers, sites, certifications, clusters, accelerators, node stock and offers."""

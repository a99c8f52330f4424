"""PostgreSQL, Valkey, Kubernetes and Ondol's own processes on one machine; demo, tests and benches use it alike."""

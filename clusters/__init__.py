"""Kubernetes clusters: connections, workloads, reconcile and watch."""

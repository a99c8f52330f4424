"""Cluster connection, workload and observation tables."""

from clusters.models.connection import ClusterConnection
from clusters.models.observation import PodObservation
from clusters.models.workload import Workload

__all__ = ["ClusterConnection", "PodObservation", "Workload"]

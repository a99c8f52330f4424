"""A cluster's pods as a stream, for whoever wants to record what the API server itself says."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

from devstack.kubernetes.admin_api import ApiRefused
from devstack.kubernetes.control_plane import Cluster

WATCH_S = 300


PODS = "/api/v1/pods"


class ClusterPods:
    """Lists, then watches, every pod (or other object) of one cluster with the devstack's own administrator."""

    def __init__(self, cluster: Cluster, collection: str = PODS) -> None:
        """Keep the cluster; nothing is sent yet."""
        self._cluster, self._collection = cluster, collection

    def watch_pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (event type, object) from the first existing one on; ends when the connection does.

        Raises:
            OSError: The connection broke.
        """
        path = f"{self._collection}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_S}"
        try:
            with self._cluster.api.stream(path) as response:
                while line := response.readline():
                    event = json.loads(line)
                    if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                        yield event["type"], event["object"]
        except (http.client.HTTPException, ApiRefused, ValueError) as error:
            # A line cut in the middle, or a server that is just starting: one more broken connection.
            raise OSError(str(error)) from error

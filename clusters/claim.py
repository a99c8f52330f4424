"""Two Ondols never share a cluster by accident: the first writes a claim, the second is refused."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from clusters.kube.client import KubeClient
from clusters.kube.errors import KubeGarbage, KubeNotFound
from marketplace.kernel.errors import OndolError

CLAIM_PATH: Final = "/api/v1/namespaces/ondol-system/configmaps/ondol-claim"
IDENTITY_PATH: Final = "/api/v1/namespaces/kube-system"


class ClusterClaimed(OndolError):
    """Another installation works in this cluster."""

    code = "cluster_claimed"
    http_status = 409
    title = _("The cluster is claimed by another Ondol installation (%(installation)s since %(since)s).")
    remedy = _(
        "Remove the cluster there first, or delete the ConfigMap ondol-claim in ondol-system if that Ondol is gone."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterIdentity:
    """What makes a cluster itself: the UID of kube-system, and its version."""

    uid: UUID
    version: str


def claim_cluster(*, client: KubeClient, installation_id: UUID, now: datetime) -> ClusterIdentity:
    """Write our claim, or find it; safe to repeat.

    Raises:
        ClusterClaimed: Somebody else's claim stands there.
        KubeGarbage: The answers are not Kubernetes'.
        KubeError: The cluster cannot be asked.
    """
    version = client.get("/version").get("gitVersion")
    try:
        uid = UUID(client.get(IDENTITY_PATH)["metadata"]["uid"])
    except (KeyError, TypeError, ValueError) as error:
        raise KubeGarbage("kube-system has no UID") from error
    if not isinstance(version, str):
        raise KubeGarbage("the version has no gitVersion")
    holder = _holder(client)
    if holder is not None and holder.get("installation") != str(installation_id):
        facts = {"installation": str(holder.get("installation"))[:64], "since": str(holder.get("since"))[:40]}
        raise ClusterClaimed(facts=facts)
    if holder is None:
        client.apply(
            CLAIM_PATH,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "ondol-claim", "namespace": "ondol-system"},
                "data": {"installation": str(installation_id), "since": now.isoformat()},
            },
        )
    return ClusterIdentity(uid=uid, version=version)


def _holder(client: KubeClient) -> dict[str, Any] | None:
    try:
        claim = client.get(CLAIM_PATH)
    except KubeNotFound:
        return None
    data = claim.get("data")
    return data if isinstance(data, dict) else {}

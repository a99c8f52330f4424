"""Connecting a cluster, and changing its credentials."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from clusters.claim import ClusterIdentity, claim_cluster
from clusters.connections import seal_credentials
from clusters.kube.client import Endpoint, KubeClient
from clusters.kube.errors import KubeError, KubeForbidden, KubeGarbage
from clusters.kube.kubeconfig import parse_kubeconfig
from clusters.models import ClusterConnection
from marketplace.inventory.models import Cluster
from marketplace.inventory.stock import register_cluster_row
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.audit import record_act
from marketplace.kernel.errors import OndolError


class ClusterUnreachable(OndolError):
    """The cluster did not answer."""

    code = "cluster_unreachable"
    http_status = 502
    retryable = True
    title = _("The cluster's API server does not answer.")
    remedy = _("Check the server address, the certificate authority and the firewall, then try again.")


class ClusterRefuses(OndolError):
    """The credentials are not enough."""

    code = "cluster_refuses"
    http_status = 422
    title = _("The cluster refuses the credentials or lacks Ondol's role.")
    remedy = _("Apply deploy/kubernetes/roles/ondol.yaml and create a fresh token for the service account ondol.")


class ClusterAnswersGarbage(OndolError):
    """Something else than a Kubernetes API server listens there."""

    code = "cluster_not_kubernetes"
    http_status = 422
    title = _("The server does not answer as a Kubernetes API server does.")
    remedy = _("Check that the address is the API server's and not a proxy's or a portal's.")


class ClusterAlreadyRegistered(OndolError):
    """The same cluster, by the UID of its kube-system namespace, or the same name."""

    code = "cluster_already_registered"
    http_status = 409
    title = _("This cluster is already registered as %(name)s.")
    remedy = _("Rotate its credentials instead, or remove it first.")


def register_cluster(*, actor: Actor, site_id: UUID, name: str, kubeconfig: str, now: datetime) -> Cluster:
    """Connect a cluster: read the kubeconfig, dial it, claim the cluster, store the credentials encrypted.

    Opens its own transactions, since the cluster is called in between; nothing is stored when any step fails.

    Raises:
        KubeconfigRefused: Names the member.
        ClusterUnreachable, ClusterRefuses, ClusterAnswersGarbage, ClusterClaimed: What the cluster said.
        ClusterAlreadyRegistered: By identity or name.
    """
    endpoint = parse_kubeconfig(text=kubeconfig, allowed_networks=settings.KUBE_ALLOWED_NETWORKS)
    identity = _dial(endpoint, now=now)
    with as_actor(actor):
        _refuse_known(identity=identity, name=name)
        cluster = register_cluster_row(
            site_id=site_id, name=name, identity=identity.uid, version=identity.version, now=now
        )
        sealed = seal_credentials(endpoint=endpoint, cluster_id=cluster.id)
        ClusterConnection.objects.create(
            cluster=cluster,
            server=endpoint.server,
            address=endpoint.address,
            certificate_authority=endpoint.ca_pem,
            suite=sealed.suite,
            key_id=sealed.key_id,
            ciphertext=sealed.ciphertext,
        )
        record_act(actor=actor, action="cluster.registered", object_type="clu", object_id=cluster.id, now=now)
    return cluster


def rotate_credentials(*, actor: Actor, cluster_id: UUID, kubeconfig: str, now: datetime) -> None:
    """Replace a cluster's credentials; work under way goes on with the new ones. Safe to repeat.

    Raises:
        KubeconfigRefused, ClusterUnreachable, ClusterRefuses, ClusterAnswersGarbage, ClusterClaimed: As for `register_cluster`.
        ClusterAlreadyRegistered: The kubeconfig is of another cluster.
    """
    endpoint = parse_kubeconfig(text=kubeconfig, allowed_networks=settings.KUBE_ALLOWED_NETWORKS)
    identity = _dial(endpoint, now=now)
    with as_actor(actor):
        connection = ClusterConnection.objects.select_for_update(no_key=True).get(cluster_id=cluster_id)
        if Cluster.objects.get(id=cluster_id).identity != identity.uid:
            raise ClusterAlreadyRegistered(facts={"name": "another cluster"})
        sealed = seal_credentials(endpoint=endpoint, cluster_id=cluster_id)
        connection.server, connection.address = endpoint.server, endpoint.address
        connection.certificate_authority = endpoint.ca_pem
        connection.suite, connection.key_id, connection.ciphertext = sealed.suite, sealed.key_id, sealed.ciphertext
        connection.failures, connection.open_until, connection.updated_at = 0, None, now
        connection.save()
        record_act(actor=actor, action="cluster.credentials_rotated", object_type="clu", object_id=cluster_id, now=now)


def _dial(endpoint: Endpoint, *, now: datetime) -> ClusterIdentity:
    client = KubeClient(endpoint, connections=1)
    try:
        return claim_cluster(client=client, installation_id=settings.INSTALLATION_ID, now=now)
    except KubeGarbage as error:
        raise ClusterAnswersGarbage from error
    except KubeForbidden as error:
        raise ClusterRefuses from error
    except KubeError as error:
        raise ClusterUnreachable from error
    finally:
        client.close()


def _refuse_known(*, identity: ClusterIdentity, name: str) -> None:
    known = Cluster.objects.filter(identity=identity.uid).first() or Cluster.objects.filter(name=name).first()
    if known is not None:
        raise ClusterAlreadyRegistered(facts={"name": known.name})

"""One cluster: etcd, API server, controller-manager, scheduler and KWOK, with TLS everywhere and admission as in production."""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import yaml

from devstack import paths
from devstack.child import Child, ChildFailed
from devstack.kubernetes import kwok_configuration
from devstack.kubernetes.admin_api import AdminApi
from devstack.kubernetes.pki import Pki, write_pki
from devstack.reaper import Reaper

START_TIMEOUT_S: Final = 90
SERVICE_NETWORK: Final = "10.0.0.0/24"


class Cluster(Protocol):
    """What demo and tests need of a cluster, whether devstack started it or somebody else."""

    name: str

    @property
    def server(self) -> str:
        """The API server's https URL."""
        ...

    @property
    def api(self) -> AdminApi:
        """The administrator's client."""
        ...

    @property
    def authority_data(self) -> str:
        """The authority's certificate, base64, as a kubeconfig has it."""
        ...


class LocalCluster:
    """A cluster of this devstack: start, stop, and stop single parts for fault tests."""

    def __init__(self, *, name: str, assets: Path, state: paths.StateDirectory, reaper: Reaper) -> None:
        """Choose ports and write certificates and configuration; nothing is started.

        Args:
            name: Lower-case letters, digits and hyphens; names the directory and the logs.
        """
        self.name = name
        self._assets = assets
        self._directory = state.private(f"cluster-{name}")
        self._logs = state.private("logs")
        self._reaper = reaper
        self._port = paths.find_free_port()
        self._pki: Pki = write_pki(self._directory)
        self._admin_kubeconfig = self._write_kubeconfig("admin")
        self._api: AdminApi | None = None
        self._children = {
            "etcd": self._etcd(port=paths.find_free_port(), peer_port=paths.find_free_port()),
            "kube-apiserver": self._api_server(),
            "kube-controller-manager": self._controller_manager(),
            "kube-scheduler": self._scheduler(),
            "kwok": self._kwok(port=paths.find_free_port()),
        }

    @property
    def server(self) -> str:
        """The API server's https URL; the same after a restart."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def api(self) -> AdminApi:
        """The administrator's client."""
        if self._api is None:
            self._api = AdminApi.from_kubeconfig(self._admin_kubeconfig)
        return self._api

    @property
    def admin_kubeconfig(self) -> Path:
        """A kubeconfig of group system:masters, for people and devstack; Ondol never gets it."""
        return self._admin_kubeconfig

    @property
    def authority_data(self) -> str:
        """The authority's certificate, base64."""
        return base64.b64encode(self._pki.authority.read_bytes()).decode()

    def start(self) -> None:
        """Start all five programs; returns when the API server is ready and namespace `default` has its service account.

        Raises:
            ChildFailed: One ended or the API server was not ready in time.
        """
        self._children["etcd"].start()
        self.start_api_server()
        for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
            self._children[name].start()
        self._children["kube-controller-manager"].wait_ready(
            is_ready=self._has_service_account, timeout_s=START_TIMEOUT_S
        )
        self.check_running()
        storage_class = yaml.safe_load((self._assets / "stages/storage-class.yaml").read_text(encoding="utf-8"))
        self.api.apply(f"/apis/storage.k8s.io/v1/storageclasses/{storage_class['metadata']['name']}", storage_class)

    def stop(self) -> None:
        """Stop all five, clients before servers; repeatable."""
        self.api.close()
        for child in reversed(self._children.values()):
            child.stop(grace_s=5)

    def kill(self) -> None:
        """SIGKILL all five: nothing of the cluster needs to be kept."""
        self.api.close()
        for child in reversed(self._children.values()):
            child.kill()

    def start_api_server(self) -> None:
        """Start only the API server, on its old port and data; returns when it is ready."""
        child = self._children["kube-apiserver"]
        child.start()
        child.wait_ready(is_ready=lambda: child.is_running and self.api.is_ready(), timeout_s=START_TIMEOUT_S)

    def stop_api_server(self) -> None:
        """Stop only the API server and wait for its pid: a dying one still answers `/readyz`."""
        # It drains for as long as a watch is open; nobody waits for that here.
        self._children["kube-apiserver"].stop(grace_s=1)

    def pause_api_server(self) -> None:
        """Let the API server accept connections and never answer: a black-holed cluster. `resume_api_server` ends it."""
        self._children["kube-apiserver"].pause()

    def resume_api_server(self) -> None:
        """Undo `pause_api_server`."""
        self._children["kube-apiserver"].resume()

    def stop_nodes(self) -> None:
        """Stop KWOK: after the grace period of 15 s all nodes are Unknown."""
        self._children["kwok"].stop()

    def start_nodes(self) -> None:
        """Start KWOK again."""
        self._children["kwok"].start()

    def check_running(self) -> None:
        """Raise when one of the five has ended.

        Raises:
            ChildFailed: Names it, with the end of its log.
        """
        for child in self._children.values():
            if not child.is_running:
                raise ChildFailed(f"{child.name} of cluster {self.name} ended\n{child.log_tail()}")

    def pids(self) -> dict[str, int]:
        """Process ids by program, of those that run."""
        return {name: child.pid for name, child in self._children.items() if child.is_running}

    def _has_service_account(self) -> bool:
        return self.api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200

    def _etcd(self, *, port: int, peer_port: int) -> Child:
        self._etcd_url = f"https://127.0.0.1:{port}"
        peer_url = f"https://127.0.0.1:{peer_port}"
        serving = (str(self._pki.certificate("serving")), str(self._pki.key("serving")), str(self._pki.authority))
        certificate, key, authority = serving
        return self._child(
            "etcd",
            f"--data-dir={self._directory / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            f"--cert-file={certificate}",
            f"--key-file={key}",
            f"--trusted-ca-file={authority}",
            "--client-cert-auth",
            f"--peer-cert-file={certificate}",
            f"--peer-key-file={key}",
            f"--peer-trusted-ca-file={authority}",
            "--peer-client-cert-auth",
            "--unsafe-no-fsync",
        )

    def _api_server(self) -> Child:
        pki = self._pki
        return self._child(
            "kube-apiserver",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--tls-cert-file={pki.certificate('serving')}",
            f"--tls-private-key-file={pki.key('serving')}",
            f"--client-ca-file={pki.authority}",
            f"--cert-dir={self._directory}",
            f"--etcd-servers={self._etcd_url}",
            f"--etcd-cafile={pki.authority}",
            f"--etcd-certfile={pki.certificate('etcd-client')}",
            f"--etcd-keyfile={pki.key('etcd-client')}",
            f"--kubelet-certificate-authority={pki.authority}",
            f"--kubelet-client-certificate={pki.certificate('kubelet-client')}",
            f"--kubelet-client-key={pki.key('kubelet-client')}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-key-file={pki.key('service-accounts')}",
            f"--service-account-signing-key-file={pki.key('service-accounts')}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--authorization-mode=Node,RBAC",
            "--anonymous-auth=false",
            "--allow-privileged=true",
            # A lost node's pods are evicted after 10 s instead of 5 min, so that tests of outages are short.
            "--default-not-ready-toleration-seconds=10",
            "--default-unreachable-toleration-seconds=10",
        )

    def _controller_manager(self) -> Child:
        return self._child(
            "kube-controller-manager",
            f"--kubeconfig={self._write_kubeconfig('controller-manager')}",
            f"--service-account-private-key-file={self._pki.key('service-accounts')}",
            f"--root-ca-file={self._pki.authority}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            # Its port serves metrics only and has one default, on which a second cluster would clash.
            "--secure-port=0",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--node-monitor-period=1s",
            "--node-monitor-grace-period=15s",
            "--node-startup-grace-period=20s",
            "--node-eviction-rate=10",
            "--resource-quota-sync-period=5s",
        )

    def _scheduler(self) -> Child:
        configuration = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            # The default of 50 requests per second makes 800 pods take 14 s instead of 3 s.
            "clientConnection": {"kubeconfig": str(self._write_kubeconfig("scheduler")), "qps": 1000, "burst": 2000},
        }
        path = self._directory / "scheduler.yaml"
        path.write_text(yaml.safe_dump(configuration), encoding="utf-8")
        return self._child("kube-scheduler", f"--config={path}", "--secure-port=0")

    def _kwok(self, *, port: int) -> Child:
        configuration = kwok_configuration.write_configuration(
            directory=self._directory, stages=self._assets / "stages"
        )
        return self._child(
            "kwok",
            f"--kubeconfig={self._write_kubeconfig('kwok')}",
            f"--config={configuration}",
            f"--server-address=127.0.0.1:{port}",
            f"--tls-cert-file={self._pki.certificate('serving')}",
            f"--tls-private-key-file={self._pki.key('serving')}",
            "--node-ip=127.0.0.1",
            f"--node-port={port}",
        )

    def _child(self, program: str, *arguments: str) -> Child:
        return Child(
            name=program,
            command=[str(self._assets / program), *arguments],
            environment={"PATH": "/usr/bin:/bin", "HOME": str(self._directory), "TZ": "UTC"},
            log=self._logs / f"{self.name}-{program}.log",
            reaper=self._reaper,
            directory=self._directory,
        )

    def _write_kubeconfig(self, client: str) -> Path:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": self.name,
                    "cluster": {"server": self.server, "certificate-authority-data": self.authority_data},
                }
            ],
            "users": [
                {
                    "name": client,
                    "user": {
                        "client-certificate-data": _encode(self._pki.certificate(client)),
                        "client-key-data": _encode(self._pki.key(client)),
                    },
                }
            ],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": client}}],
            "current-context": self.name,
        }
        path = self._directory / f"{client}.kubeconfig"
        return paths.write_secret(path, yaml.safe_dump(document))


class GivenCluster:
    """The cluster of an existing `KUBECONFIG`.

    Limits: devstack neither starts nor stops it, so tests of its outages cannot run; simulated nodes appear only where KWOK
    runs there with our stages; the credentials must be allowed to create namespaces, roles and nodes.
    """

    def __init__(self, *, name: str, kubeconfig: Path) -> None:
        """Read the kubeconfig's current context."""
        self.name = name
        self.api = AdminApi.from_kubeconfig(kubeconfig)
        document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        context = next(c["context"] for c in document["contexts"] if c["name"] == document["current-context"])
        cluster = next(c["cluster"] for c in document["clusters"] if c["name"] == context["cluster"])
        self.server: str = cluster["server"]
        self.authority_data: str = cluster.get("certificate-authority-data") or _encode(
            kubeconfig.parent / cluster["certificate-authority"]
        )


def wait_until(description: str, *, timeout_s: float, is_true: Callable[[], bool]) -> float:
    """Poll the cluster until something is true; returns the seconds waited.

    Raises:
        TimeoutError: It was not true in time; names what was waited for.
    """
    begin = time.monotonic()
    while not is_true():
        if time.monotonic() - begin > timeout_s:
            raise TimeoutError(f"{description}: not within {timeout_s:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - begin


def _encode(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()

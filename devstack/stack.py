"""Everything on one machine, put together: used in the same way by demo, tests and benches."""

import base64
import os
import secrets
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from devstack import paths
from devstack.kubernetes.build import find_or_build_assets
from devstack.kubernetes.control_plane import Cluster, GivenCluster, LocalCluster
from devstack.postgres import Access, Login, Postgres
from devstack.processes import Ports, Processes, inherited_environment
from devstack.progress import step
from devstack.reaper import Reaper
from devstack.template import find_dump, read_dump, write_dump
from devstack.valkey import Valkey

LOCAL_NETWORKS: Final = "127.0.0.0/8"


class CommandFailed(Exception):
    """A management command ended with an error; the message carries its output."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What several processes of one test run share: plain data, so that it can be handed from one to the other.

    Attributes:
        prefix: Begins the name of every database, so that two devstacks may use one given server.
        broker: The broker's URL without a database.
    """

    prefix: str
    access: Access
    broker: str
    secret_key: str
    encryption_keys: str
    api_key_pepper: str

    @property
    def template(self) -> str:
        """Name of the migrated database that others are copied from."""
        return f"{self.prefix}_template"

    def broker_url(self, *, database: int) -> str:
        """The broker's URL; `database` 0 to 255 keeps several Ondols on one server apart."""
        return f"{self.broker}/{database}"


class Stack:
    """PostgreSQL, Valkey, clusters, and any number of Ondols that use them.

    A context manager: leaving it ends everything that was started; being killed does too (see `reaper`).
    """

    def __init__(self, *, shared: Shared | None = None) -> None:
        """Choose ports, passwords and keys; nothing is started or written.

        Args:
            shared: PostgreSQL and Valkey of another process's stack, which starts and ends them.
        """
        self.state = paths.StateDirectory()
        self.reaper = Reaper(state=self.state)
        self.postgres = Postgres(state=self.state, reaper=self.reaper)
        self.valkey = Valkey(state=self.state, reaper=self.reaper)
        self.clusters: dict[str, Cluster] = {}
        self.shared = shared or Shared(
            prefix=f"ondol_{secrets.token_hex(4)}",
            access=self.postgres.access,
            broker=self.valkey.url,
            secret_key=secrets.token_urlsafe(48),
            encryption_keys=f"devstack:{base64.b64encode(secrets.token_bytes(32)).decode()}",
            api_key_pepper=secrets.token_urlsafe(36),
        )
        self._processes: list[Processes] = []

    def __enter__(self) -> "Stack":
        """Return itself; nothing is started."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @cached_property
    def logs(self) -> Path:
        """Where every process writes its log."""
        return self.state.private("logs")

    def start(self, *, clusters: Sequence[str] = (), is_migrated: bool = True) -> None:
        """Start PostgreSQL, Valkey and clusters at once, and migrate the template database meanwhile; shows its progress.

        Args:
            clusters: Names. With `KUBECONFIG` given there can be one, and it is that cluster.
            is_migrated: Whether `create_database` will be used.

        Raises:
            PostgresNotFound, BuildFailed, ChildFailed, CommandFailed: What is missing or failed, and what to do.
        """
        _ = self.logs  # created here, before threads would each want to
        assets = find_or_build_assets() if clusters and not os.environ.get("KUBECONFIG") else None
        parts = ", ".join(["PostgreSQL", "Valkey", *(f"cluster {name}" for name in clusters)])
        with step(f"Local machine: {parts}", expected_s=15), ThreadPoolExecutor() as pool:
            jobs: list[Future[Any]] = [pool.submit(self.valkey.start)]
            jobs += [pool.submit(self.add_cluster, name=name, assets=assets) for name in clusters]
            self.postgres.start()
            if is_migrated:
                self.create_template()
            for job in jobs:
                job.result()

    def start_clusters(self, names: Sequence[str]) -> None:
        """Start several more clusters at once.

        Raises:
            BuildFailed, ChildFailed: See `start`.
        """
        _ = self.logs
        assets = find_or_build_assets() if not os.environ.get("KUBECONFIG") else None
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self.add_cluster(name=name, assets=assets), names))

    def add_cluster(self, *, name: str, assets: Path | None = None) -> Cluster:
        """Start one more cluster, or read the one of `KUBECONFIG`.

        Raises:
            BuildFailed, ChildFailed: See `start`.
        """
        if given := os.environ.get("KUBECONFIG"):
            self.clusters[name] = GivenCluster(name=name, kubeconfig=Path(given))
        else:
            cluster = self.local_cluster(name=name, assets=assets)
            self.clusters[name] = cluster
            cluster.start()
        return self.clusters[name]

    def local_cluster(self, *, name: str, assets: Path | None = None) -> LocalCluster:
        """Describe a cluster of this devstack; the caller starts and stops it, `close` ends it in any case."""
        found = assets or find_or_build_assets()
        return LocalCluster(name=name, assets=found, state=self.state, reaper=self.reaper)

    def create_template(self) -> None:
        """Create and migrate, as `ondol_owner`, the database that all others are copied from, or read it from the cache.

        Raises:
            CommandFailed: Carries the command's output.
        """
        self.shared.access.create_database(name=self.shared.template)
        installation = self.postgres.installation
        if installation is None:
            self._migrate()
            return
        whole: dict[str, Any] = {
            "access": self.shared.access,
            "installation": installation,
            "database": self.shared.template,
        }
        dump = find_dump(installation)
        if not read_dump(**whole, dump=dump):
            self._migrate()
            write_dump(**whole, dump=dump)

    def _migrate(self) -> None:
        self.manage("migrate", "--no-input", "--verbosity=0", database=self.shared.template, login=Login.OWNER)

    def create_database(self, *, name: str) -> None:
        """Copy the migrated template (~0.1 s)."""
        self.shared.access.create_database(name=name, template=self.shared.template)

    def environment(
        self,
        *,
        database: str,
        login: Login,
        installation_id: uuid.UUID,
        broker_database: int = 0,
        ports: Ports | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """The settings of one process of one Ondol.

        Args:
            broker_database: Keeps several Ondols on one Valkey apart, 0 to 255.
            extra: Settings on top of or instead of these.
        """
        environment = {
            "DJANGO_SETTINGS_MODULE": "marketplace.config.settings.local",
            "ONDOL_ENVIRONMENT": "local",
            "ONDOL_DATABASE_URL": self.shared.access.url(database=database, login=login),
            "ONDOL_BROKER_URL": self.shared.broker_url(database=broker_database),
            "ONDOL_SECRET_KEY": self.shared.secret_key,
            "ONDOL_ENCRYPTION_KEYS": self.shared.encryption_keys,
            "ONDOL_API_KEY_PEPPER": self.shared.api_key_pepper,
            "ONDOL_INSTALLATION_ID": str(installation_id),
            "ONDOL_KUBE_ALLOWED_NETWORKS": os.environ.get("ONDOL_KUBE_ALLOWED_NETWORKS", LOCAL_NETWORKS),
            "ONDOL_ALLOWED_HOSTS": "127.0.0.1,localhost",
            "ONDOL_LOG_FORMAT": "json",
        }
        if ports is not None:
            environment["ONDOL_BASE_URL"] = f"http://127.0.0.1:{ports.web}"
        return {**environment, **(extra or {})}

    def processes(
        self,
        *,
        database: str,
        installation_id: uuid.UUID,
        ports: Ports,
        broker_database: int = 0,
        label: str = "ondol",
        extra: Mapping[str, str] | None = None,
    ) -> Processes:
        """Describe the processes of one Ondol; the caller starts them, `close` ends them in any case.

        Args:
            label: Distinguishes the logs of several Ondols.
            extra: Settings on top of or instead of the usual ones.
        """

        def environment(login: Login) -> dict[str, str]:
            return self.environment(
                database=database,
                login=login,
                installation_id=installation_id,
                broker_database=broker_database,
                ports=ports,
                extra=extra,
            )

        processes = Processes(
            web_environment=environment(Login.WEB),
            staff_environment=environment(Login.STAFF),
            ports=ports,
            logs=self.logs,
            directory=self.state.private("processes"),
            reaper=self.reaper,
            label=label,
        )
        self._processes.append(processes)
        return processes

    def manage(self, *arguments: str, database: str, login: Login, installation_id: uuid.UUID | None = None) -> str:
        """Run a management command and return what it printed.

        Raises:
            CommandFailed: It ended with an error.
        """
        environment = self.environment(database=database, login=login, installation_id=installation_id or uuid.uuid4())
        result = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=paths.REPOSITORY,
            env={**inherited_environment(), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise CommandFailed(f"manage.py {' '.join(arguments)} failed:\n{(result.stderr or result.stdout)[-4000:]}")
        return result.stdout

    def close(self) -> None:
        """End everything that was started; repeatable."""
        for processes in self._processes:
            processes.stop(grace_s=5)
        for cluster in self.clusters.values():
            if isinstance(cluster, LocalCluster):
                cluster.kill()
        self.valkey.stop()
        self.postgres.close(prefix=self.shared.prefix)
        self.reaper.close()

